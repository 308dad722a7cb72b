// How many workers there are, and what each of them gets.
#include "proxyd/daemon/worker_count.h"

#include <filesystem>
#include <fstream>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "proxyd/daemon/component_settings.h"

namespace proxyd {
namespace {

using testing::HasSubstr;
namespace fs = std::filesystem;

Options options_of(NumberOrAuto workers, int pool_size) {
    Options options;
    options.workers = workers;
    options.pool_size = pool_size;
    return options;
}

TEST(WorkerShareTest, TheSharesSumUpToTheWhole) {
    for (int count = 1; count <= 64; ++count) {
        for (const int total : {count, count + 1, 2 * count - 1, 100, 1000}) {
            if (total < count) continue;
            int sum = 0;
            for (int index = 0; index < count; ++index) {
                const int share = WorkerShare{index, count}.of(total);
                EXPECT_GE(share, total / count);
                EXPECT_LE(share, total / count + 1);
                sum += share;
            }
            EXPECT_EQ(sum, total) << count;
        }
    }
}

TEST(WorkerShareTest, EveryWorkerGetsOne) {
    EXPECT_EQ((WorkerShare{3, 4}.of(2)), 1);
}

TEST(WorkerCountTest, IsAsTheOptionSays) {
    EXPECT_EQ(choose_worker_count(options_of(1, 1), 64, {}).count, 1);
    const auto four = choose_worker_count(options_of(4, 16), 1, {});
    EXPECT_EQ(four.count, 4);
    EXPECT_EQ(four.why_fewer, "");
}

TEST(WorkerCountTest, AutoIsOneForFourProcessors) {
    for (const auto& [processors, workers] :
         std::map<int, int>{{0, 1}, {1, 1}, {4, 1}, {7, 1}, {8, 2}, {16, 4}, {64, 16}}) {
        EXPECT_EQ(choose_worker_count(options_of(std::nullopt, 1000), processors, {}).count, workers);
    }
}

TEST(WorkerCountTest, EachGetsFourConnectionsAtLeast) {
    const auto two = choose_worker_count(options_of(4, 8), 1, {});
    EXPECT_EQ(two.count, 2);
    EXPECT_EQ(two.why_fewer, "pool_size = 8 has 4 connections for each of 2 workers and no more");
    EXPECT_EQ(choose_worker_count(options_of(4, 7), 1, {}).count, 1);
    const auto one = choose_worker_count(options_of(4, 2), 1, {});
    EXPECT_EQ(one.count, 1);
    EXPECT_EQ(one.why_fewer, "pool_size = 2 is enough for one worker");
}

TEST(WorkerCountTest, ATablesOwnPoolSizeHasOneForEach) {
    const auto three = choose_worker_count(options_of(4, 16), 1, OwnPoolSize{"pgsql:/a.cf", 3});
    EXPECT_EQ(three.count, 3);
    EXPECT_EQ(three.why_fewer, "the table pgsql:/a.cf has a pool_size of its own, 3");
    EXPECT_EQ(choose_worker_count(options_of(4, 16), 1, OwnPoolSize{"pgsql:/a.cf", 4}).count, 4);
}

class OwnPoolSizeTest : public testing::Test {
  protected:
    OwnPoolSizeTest() { fs::create_directory(directory); }
    ~OwnPoolSizeTest() override { fs::remove_all(directory); }

    std::string table(const std::string& type, const std::string& name, const std::string& text) const {
        const auto path = directory + "/" + name;
        std::ofstream(path) << text;
        return type + ":" + path;
    }
    static Site site_with(const std::vector<std::string>& tables) {
        Site site;
        site.approved = postfix::ApprovedTables::from_names(tables);
        return site;
    }

    const std::string directory = testing::TempDir() + "own_pool_size_" + std::to_string(getpid());
};

TEST_F(OwnPoolSizeTest, TheSmallestOneCounts) {
    const auto plain = table("pgsql", "plain.cf", "hosts = a\n");
    const auto five = table("mysql", "five.cf", "pool_size = 5\n");
    const auto three = table("sqlite", "three.cf", "pool_size = 3\n");
    const auto wrong = table("pgsql", "wrong.cf", "pool_size = -1\n");
    const auto other = table("hash", "other.cf", "pool_size = 1\n");
    EXPECT_FALSE(smallest_own_pool_size(site_with({plain, wrong, other, "pgsql:/nowhere.cf"})));
    const auto found = smallest_own_pool_size(site_with({plain, five, three, wrong, other}));
    ASSERT_TRUE(found);
    EXPECT_EQ(found->pool_size, 3);
    EXPECT_EQ(found->table, three);
}

TEST_F(OwnPoolSizeTest, MembersOfACompositeTableCount) {
    const auto two = table("pgsql", "two.cf", "pool_size = 2\n");
    const auto found = smallest_own_pool_size(site_with({"unionmap:{" + two + "}"}));
    ASSERT_TRUE(found);
    EXPECT_EQ(found->pool_size, 2);
}

// What a worker's parts get.

TEST(WorkerSettingsTest, WhatIsForAllIsDivided) {
    Site site;
    site.options.pool_size = 10;
    site.options.cache_size = 100;
    site.options.relay_connections = 3;
    site.share = {1, 4};
    auto parameters = table::TableParameters::from_file({});
    const auto settings = table_set_options(site).settings_for(parameters);
    EXPECT_EQ(settings.pool_size, 3);
    EXPECT_EQ(settings.cache_size, 25);
    EXPECT_EQ(settings.queue_limit, 10000);
    EXPECT_EQ(server_settings(site).most_memory, std::size_t{16} << 20);
    site.share = {3, 4};
    EXPECT_EQ(table_set_options(site).settings_for(parameters).pool_size, 2);
    master::DaemonArguments arguments;
    arguments.mode = master::RunMode::listen;
    arguments.listen_path = "/nowhere";
    EXPECT_EQ(relay_settings(site, arguments).connections, 1);
    EXPECT_TRUE(parameters.errors().empty());
}

// Each worker needs a connection, and the bound is hard.
TEST(WorkerSettingsTest, ATableThatHasTooFewForAllIsRefused) {
    Site site;
    site.share = {0, 4};
    std::string error;
    config::ParameterFile file;
    file.path = "/a.cf";
    file.parameters["pool_size"] = {"3", 7};
    auto parameters = table::TableParameters::from_file(file);
    (void)table_set_options(site).settings_for(parameters);
    ASSERT_EQ(parameters.errors().size(), 1U);
    EXPECT_EQ(parameters.errors()[0].line, 7);
    EXPECT_THAT(parameters.errors()[0].message,
                HasSubstr("pool_size = 3 is for all workers together, and 4 of them run: restart proxyd"));
}

}  // namespace
}  // namespace proxyd
