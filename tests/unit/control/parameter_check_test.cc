#include "proxyd/control/check/parameter_check.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace proxyd::control {
namespace {

using testing::ElementsAre;

const TableTypeFacts mysql = {
    "mysql", sql::SqlDialect::mysql, {"hosts", "dbname", "tls_verify_cert", "tls_CAfile"}, "", false};
const TableTypeFacts pgsql = {"pgsql", sql::SqlDialect::pgsql, {"hosts", "dbname"}, "", true};
const TableTypeFacts sqlite = {"sqlite", sql::SqlDialect::sqlite, {"dbpath"}, "dbpath", true};

std::vector<std::string> findings(const TableTypeFacts& type, const std::string& text) {
    const auto parameters = table::TableParameters::from_file(config::parse_parameters(text, "t.cf"));
    Findings found;
    std::vector<std::string> lines;
    for (const auto& doubt : check_parameters(type, parameters, "t.cf", found))
        lines.push_back(format(doubt.finding));
    for (const auto& finding : found.all()) lines.push_back(format(finding));
    return lines;
}

TEST(ParameterCheck, WhatVerifiesNoCertificateInAPgsqlTable) {
    EXPECT_THAT(
        findings(pgsql, "dbname = mail\ntls_CAfile = x\n"),
        ElementsAre("t.cf:2: warning: tls_CAfile is not a parameter of pgsql tables and is ignored: the "
                    "server's certificate is not verified by it. Write \"dbname = dbname=mail "
                    "sslmode=verify-full sslrootcert=/path/of/the/authorities.crt\", or the same as a "
                    "URI in hosts"));
}

TEST(ParameterCheck, WhatVerifiesNoCertificateInAMysqlTable) {
    for (const std::string name : {"tls_verify", "sslmode", "ssl_ca"}) {
        EXPECT_THAT(
            findings(mysql, name + " = x\n"),
            ElementsAre("t.cf:1: warning: " + name +
                        " is not a parameter of mysql tables and is ignored: the server's certificate "
                        "is not verified by it. Write \"tls_verify_cert = yes\" and \"tls_CAfile = "
                        "/path/of/the/authorities.crt\""));
    }
    EXPECT_THAT(findings(mysql, "tls_CAfle = x\n"),
                ElementsAre("t.cf:1: warning: unknown parameter \"tls_CAfle\" is ignored, did you mean "
                            "\"tls_CAfile\"?"));
    EXPECT_THAT(findings(sqlite, "sslmode = x\n"),
                ElementsAre("t.cf:1: warning: unknown parameter \"sslmode\" is ignored"));
}

}  // namespace
}  // namespace proxyd::control
