// Reports of what fails and works again, such as a host of a database.
#pragma once

#include <string>
#include <string_view>

namespace proxyd {

enum class Trouble {
    passing,  // of one connection: whether the subject works tells the next one
    lasting,  // until works_again()
};

// A subject is named by a text that no other one has. What repeats is counted instead of written, and the
// count comes with the end of the trouble.
class TroubleLog {
  public:
    virtual ~TroubleLog() = default;

    // Lines of one subject and `kind` count as one.
    virtual void failed(std::string_view subject, std::string_view kind, Trouble trouble,
                        std::string_view text) = 0;

    // Nothing is written where no lasting trouble was.
    virtual void works_again(std::string_view subject, std::string_view text) = 0;
};

// The process-wide one. Until set_trouble_log() is called all is passed to log(). It must outlive all
// callers.
[[nodiscard]] TroubleLog& trouble_log();
void set_trouble_log(TroubleLog& log);

// A message without what may differ each time: words with digits in them (ids, numbers) are left out.
[[nodiscard]] std::string without_numbers(std::string_view message);

}  // namespace proxyd
