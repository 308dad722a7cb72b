// Whether the right server answers at the service's socket after master.cf has been changed.
#pragma once

#include <iosfwd>
#include <string>
#include <vector>

#include "proxyd/control/postfix/instance.h"
#include "proxyd/control/switch/held_signals.h"

namespace proxyd::control {

// Waits for some seconds at most, and ends at once when a signal has come. Writes the result to `out`.
class TakeoverProof {
  public:
    // `tables` can be asked for a test address. The instance and the stream outlive this object.
    TakeoverProof(const PostfixInstance& postfix, std::vector<std::string> tables, std::ostream& out);

    // Returns "" when proxyd answers, and with `looks_up` also completes a test lookup; else the reason.
    [[nodiscard]] std::string proxyd_fault(bool looks_up, const HeldSignals& signals);

    // Returns "" when the stock server answers; else the reason. A failed lookup is not its fault: a database
    // may be down.
    [[nodiscard]] std::string stock_fault(const HeldSignals& signals);

  private:
    const PostfixInstance& postfix_;
    std::vector<std::string> tables_;
    std::ostream& out_;
};

}  // namespace proxyd::control
