// `proxyctl enable` and `disable`: switch Postfix's lookups to proxyd, and back to the stock server.
#pragma once

#include <iosfwd>
#include <string>
#include <vector>

#include "proxyd/control/check/check.h"
#include "proxyd/control/postfix/config_location.h"
#include "proxyd/control/postfix/instance.h"
#include "proxyd/control/switch/held_signals.h"
#include "proxyd/control/switch/takeover_proof.h"
#include "proxyd/master/environment.h"

namespace proxyd::control {

enum class Databases { asked, left_alone };

class SwitchOver {
  public:
    // Throws std::runtime_error when `place` is not that of a Postfix. The references outlive the object.
    SwitchOver(const ConfigLocation& place, const master::Environment& environment, std::ostream& out);

    // Both return the exit status, and throw std::runtime_error when they cannot begin. With `dry_run` they
    // only show what they would change. With Databases::left_alone enable() neither connects to databases nor
    // looks anything up. When a signal to end comes while master.cf and the running Postfix differ, enable()
    // rolls back and disable() completes; both return 1.
    [[nodiscard]] int enable(bool dry_run, Databases databases);
    [[nodiscard]] int disable(bool dry_run);

  private:
    [[nodiscard]] int enable_locked(bool dry_run);
    [[nodiscard]] int disable_locked(bool dry_run);
    [[nodiscard]] std::string read_master_cf() const;
    [[nodiscard]] std::string stock_text(const std::string& master_cf, const std::string& before,
                                         const std::vector<std::string>& relays) const;
    [[nodiscard]] bool passes_check(const ConfigLocation& prospect);
    [[nodiscard]] int refuse_enabling(const std::string& original, const std::string& wanted, bool dry_run);
    void show_change(const std::string& original, const std::string& wanted);
    [[nodiscard]] TakeoverProof takeover_proof();
    [[nodiscard]] int prove_again();
    [[nodiscard]] int take_effect(const std::string& original, const std::string& wanted,
                                  const HeldSignals& signals);
    [[nodiscard]] std::string idle_text() const;
    [[nodiscard]] bool prove_stock(const HeldSignals& signals);
    void write_record(const std::string& original, const std::string& wanted) const;
    void roll_back(const std::string& original, const std::string& wanted, const HeldSignals& signals);
    void forget_record() const;

    ConfigLocation place_;
    const master::Environment& environment_;
    std::ostream& out_;
    Databases databases_ = Databases::asked;
    PostfixInstance postfix_;
    CheckResult tables_;  // of a check without connecting
    std::string master_cf_path_;
    // master.cf before and after enable(). disable() compares these files to restore the entries.
    std::string before_path_;
    std::string with_path_;
};

}  // namespace proxyd::control
