// The passwords of one cluster, to be removed from the texts of its servers and libraries.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace proxyd::cluster {

// A password is hidden in each form in which it may come back (as it is, with percent signs decoded or
// encoded, with the backslashes of connection text) if it is a word of its own. Two kinds are not hidden:
// passwords of less than four bytes, and those that are also a name of the cluster. Otherwise every message
// would be full of stars, and a reader cannot recognize them as a password.
class Secrets {
  public:
    // Public names come first: host names, user, dbname.
    void add_public(std::string_view name);
    void add(std::string_view password);
    // A public name, or a whole value to be hidden: see shown_dbname().
    void add_dbname(std::string_view dbname);
    // Hides the password in "user:password" and "user:password@anything".
    void add_user(std::string_view user);
    // A whole value that holds a password, and the text to show in its place.
    void add_whole(std::string value, std::string shown);

    // Also hides text that looks like a password: see redact().
    [[nodiscard]] std::string hide(std::string_view text) const;

  private:
    struct Secret {
        std::string text;
        std::string shown;
    };
    void insert(std::string text, std::string shown);

    std::vector<std::string> public_;
    std::vector<Secret> secrets_;  // the longest first
};

// A database name as people may see it: "***" if it holds a part of connection text, a URI or a line meant
// for another parameter, as a password may stand there.
[[nodiscard]] std::string shown_dbname(std::string_view dbname);

// The password in "user:password@anything", or "".
[[nodiscard]] std::string_view password_before_at(std::string_view text);

}  // namespace proxyd::cluster
