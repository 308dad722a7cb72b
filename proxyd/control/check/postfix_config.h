// main.cf and master.cf of one Postfix, as they are written.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "backends/config/parameter_file.h"
#include "proxyd/control/check/finding.h"
#include "proxyd/control/postfix/master_cf.h"

namespace proxyd::control {

struct PostfixConfig {
    // Empty files in this directory.
    explicit PostfixConfig(const std::string& directory);

    // Reads both files and reports their faults. `given_master_cf` replaces the text of master.cf. False:
    // main.cf cannot be used, and nothing of master.cf is read.
    [[nodiscard]] bool read(const std::optional<std::string>& given_master_cf, Findings& findings);

    // The line of a parameter of main.cf; 0: it is not there.
    [[nodiscard]] int line_of(std::string_view parameter) const;

    std::string main_cf_path;  // whether the file exists or not; so is the next one
    std::string master_cf_path;
    config::ParameterFile main_cf;
    std::string master_cf;                // the text
    std::vector<MasterService> services;  // of master.cf
};

}  // namespace proxyd::control
