// The checks of master.cf: whether its entry for proxymap starts proxyd correctly.
#pragma once

#include <functional>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "backends/config/parameter_file.h"
#include "proxyd/control/check/finding.h"
#include "proxyd/control/postfix/master_cf.h"
#include "proxyd/postfix/approved_tables.h"
#include "proxyd/postfix/main_cf.h"

namespace proxyd::control {

// The configuration of one Postfix. The references outlive the check.
struct PostfixFiles {
    const postfix::MainCf& main_cf;
    const config::ParameterFile& main_cf_file;
    std::string master_cf_path;
    const std::vector<MasterService>& services;
    const postfix::ApprovedTables& approved;
};

// Whether master(8) puts the service into a chroot.
[[nodiscard]] bool is_chrooted(const MasterService& service, const postfix::MainCf& main_cf);

// Checks the entry of the proxymap service. `table_files` are the files that it has to read.
void check_proxymap_service(const PostfixFiles& files, const std::set<std::string>& table_files,
                            Findings& findings);

// Warns when more than one line has an entry of this name: only the last one has an effect.
void check_repeated_entry(const PostfixFiles& files, const std::string& name, Findings& findings);

// The name that the stock server gives itself when master(8) starts it for the entry, "proxymap" or
// "proxywrite"; no value when it does not start with these arguments.
[[nodiscard]] std::optional<std::string> stock_name_of(const MasterService& service);

// Checks the entry under which the stock server answers for tables of other types, if there is one of that
// name. `stock_name` is the name that the server has to give itself: proxymap or proxywrite.
void check_relay_entry(const PostfixFiles& files, const std::string& relay_service,
                       const std::string& stock_name, Findings& findings);

// Warns of services that look up users in a chroot without a list of users.
void check_users_in_chroot(const PostfixFiles& files, Findings& findings);

}  // namespace proxyd::control
