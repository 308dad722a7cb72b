// Tables share the connections of one server, however their files spell it.
#include "backends/mysql/cluster.h"

#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

namespace proxyd::mysql {
namespace {

class CanonicalTest : public testing::Test {
  protected:
    static std::vector<std::string> canonical_hosts(std::vector<std::string> hosts,
                                                    const std::string& option_file = "") {
        ClusterIdentity cluster;
        cluster.hosts = std::move(hosts);
        cluster.option_file = option_file;
        return canonical(std::move(cluster)).hosts;
    }
};

TEST_F(CanonicalTest, EachServerHasOneSpelling) {
    const auto expected = canonical_hosts({"127.0.0.1:3306"});
    for (const auto* spelling :
         {"127.0.0.1", "inet:127.0.0.1", "inet:127.0.0.1:3306", "[127.0.0.1]", "127.0.0.1:"})
        EXPECT_EQ(canonical_hosts({spelling}), expected) << spelling;
    EXPECT_EQ(canonical_hosts({"DB.Example"}), canonical_hosts({"db.example:3306"}));
    EXPECT_NE(canonical_hosts({"db.example:3307"}), canonical_hosts({"db.example:3306"}));
    EXPECT_EQ(canonical_hosts({"[::1]"}), canonical_hosts({"inet:[::1]:3306"}));
    EXPECT_NE(canonical_hosts({"localhost"}), canonical_hosts({"127.0.0.1"})) << "it is a UNIX socket";
    EXPECT_EQ(canonical_hosts({"localhost"}), canonical_hosts({"inet:LocalHost:3307"}));
    EXPECT_NE(canonical_hosts({"unix:/run/A"}), canonical_hosts({"unix:/run/a"}));
    EXPECT_EQ(canonical_hosts({"b", "a"}), canonical_hosts({"a", "b:3306"}));
    EXPECT_NE(canonical_hosts({"a", "a"}), canonical_hosts({"a"}));
}

TEST_F(CanonicalTest, AnOptionFileMayGiveThePort) {
    const auto* const file = "/etc/my.cnf";
    EXPECT_NE(canonical_hosts({"db"}, file), canonical_hosts({"db:3306"}, file));
    EXPECT_NE(canonical_hosts({"localhost"}, file), canonical_hosts({"localhost:3307"}, file));
    EXPECT_EQ(canonical_hosts({"db:3307"}, file), canonical_hosts({"inet:DB:3307"}, file));
}

}  // namespace
}  // namespace proxyd::mysql
