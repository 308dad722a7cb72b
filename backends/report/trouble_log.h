// Reports failures and recoveries of a subject, such as a host of a database.
#pragma once

#include <string>
#include <string_view>

namespace proxyd {

enum class Trouble {
    passing,  // of one connection: the next one shows whether the subject works
    lasting,  // until works_again()
};

// A unique text names a subject. Repeated lines are counted instead of written, and the count comes with the
// end of the trouble.
class TroubleLog {
  public:
    virtual ~TroubleLog() = default;

    // Lines of one subject and `kind` count as one.
    virtual void failed(std::string_view subject, std::string_view kind, Trouble trouble,
                        std::string_view text) = 0;

    // Nothing is written if there was no lasting trouble.
    virtual void works_again(std::string_view subject, std::string_view text) = 0;
};

// The process-wide log of troubles. Until set_trouble_log() is called all lines go to log(). It must outlive
// all callers.
[[nodiscard]] TroubleLog& trouble_log();
void set_trouble_log(TroubleLog& log);

// A message without its varying parts: words with digits in them (ids, numbers) are left out.
[[nodiscard]] std::string without_numbers(std::string_view message);

}  // namespace proxyd
