#include "proxyd/control/plain_output.h"

#include <string>

#include "proxyd/logging/printable.h"

namespace proxyd::control {

// Collects whole lines, so that no character is split.
class PlainOutput::Filter final : public std::streambuf {
  public:
    explicit Filter(std::streambuf& target) : target_(target) {}

  protected:
    int_type overflow(int_type byte) override {
        if (traits_type::eq_int_type(byte, traits_type::eof())) return traits_type::not_eof(byte);
        line_ += traits_type::to_char_type(byte);
        if (line_.back() == '\n' && !pass_on()) return traits_type::eof();
        return byte;
    }
    std::streamsize xsputn(const char* text, std::streamsize size) override {
        line_.append(text, static_cast<std::size_t>(size));
        return line_.find('\n') == std::string::npos || pass_on() ? size : 0;
    }
    int sync() override { return pass_on() && target_.pubsync() == 0 ? 0 : -1; }

  private:
    bool pass_on() {
        const auto text = logging::plain_text(line_);
        line_.clear();
        const auto size = static_cast<std::streamsize>(text.size());
        return target_.sputn(text.data(), size) == size;
    }

    std::streambuf& target_;
    std::string line_;
};

PlainOutput::PlainOutput(std::ostream& stream)
    : stream_(stream),
      filter_(std::make_unique<Filter>(*stream.rdbuf())),
      before_(stream.rdbuf(filter_.get())) {}

PlainOutput::~PlainOutput() {
    stream_.flush();
    (void)stream_.rdbuf(before_);
}

}  // namespace proxyd::control
