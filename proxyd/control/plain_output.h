// Text for a terminal, without its control characters: names and messages come from files, servers and
// libraries.
#pragma once

#include <memory>
#include <ostream>
#include <streambuf>

namespace proxyd::control {

// While this object exists, all text written to the stream goes through logging::plain_text().
class PlainOutput {
  public:
    explicit PlainOutput(std::ostream& stream);
    ~PlainOutput();
    PlainOutput(const PlainOutput&) = delete;
    PlainOutput& operator=(const PlainOutput&) = delete;

  private:
    class Filter;
    std::ostream& stream_;
    std::unique_ptr<Filter> filter_;
    std::streambuf* before_;
};

}  // namespace proxyd::control
