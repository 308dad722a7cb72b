// The passwords of one cluster, to be taken out of what its servers and the libraries say.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace proxyd::cluster {

// A password is hidden in each form in which it may come back (as it is, with percent signs decoded or
// encoded, with the backslashes of connection text) where it stands as a word of its own. Not hidden are
// passwords of less than four bytes, and those that are a name of the cluster as well: every message would be
// full of stars, and a reader cannot tell that they are a password.
class Secrets {
  public:
    // First what is public: host names, user, dbname.
    void add_public(std::string_view name);
    void add(std::string_view password);
    // Public, or a whole value to be hidden: see shown_dbname().
    void add_dbname(std::string_view dbname);
    // Hides the password in "user:password" and "user:password@anything".
    void add_user(std::string_view user);
    // A whole value that holds a password, and what is shown in its place.
    void add_whole(std::string value, std::string shown);

    // Also hides what looks like a password: see redact().
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

// The name of a database for people to see: "***" where it holds what is part of connection text, a URI or a
// line that was meant for another parameter, as a password may stand there.
[[nodiscard]] std::string shown_dbname(std::string_view dbname);

// The password in "user:password@anything", or "".
[[nodiscard]] std::string_view password_before_at(std::string_view text);

}  // namespace proxyd::cluster
