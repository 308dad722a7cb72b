#include "backends/pool/row_buffer.h"

#include <cstring>

#include <gtest/gtest.h>

namespace proxyd::pool {
namespace {

TEST(RowBuffer, GivesRowsBackAsTheyCame) {
    RowBuffer rows;
    for (int turn = 0; turn < 2; ++turn) {
        rows.begin(2, no_answer_limit);
        EXPECT_EQ(rows.rows(), 0U);
        EXPECT_TRUE(rows.add("one"));
        EXPECT_TRUE(rows.add(std::nullopt));
        EXPECT_TRUE(rows.add(""));
        char* room = rows.add_room(4);
        ASSERT_NE(room, nullptr);
        std::memcpy(room, "fo\0r", 4);
        EXPECT_EQ(rows.columns(), 2U);
        ASSERT_EQ(rows.rows(), 2U);
        EXPECT_EQ(rows.cell(0, 0), "one");
        EXPECT_EQ(rows.cell(0, 1), std::nullopt);
        EXPECT_EQ(rows.cell(1, 0), "");
        EXPECT_EQ(rows.cell(1, 1), std::string_view("fo\0r", 4));
        EXPECT_EQ(rows.size(), answer_size(2, 4, 7));
    }
}

TEST(RowBuffer, SaysWhenTheLimitIsPassed) {
    RowBuffer rows;
    rows.begin(1, answer_size(1, 1, 1000));
    EXPECT_TRUE(rows.add(std::string(1000, 'x')));
    EXPECT_FALSE(rows.add(std::nullopt));
    EXPECT_EQ(rows.rows(), 1U);

    rows.begin(1, answer_size(1, 1, 1000));
    EXPECT_FALSE(rows.add(std::string(1001, 'x')));
    EXPECT_EQ(rows.add_room(1001), nullptr);
    EXPECT_EQ(rows.add_room(no_answer_limit), nullptr);
    EXPECT_EQ(rows.rows(), 0U);
}

TEST(RowBuffer, RowsOfNothingCountToo) {
    RowBuffer rows;
    rows.begin(3, 16 << 10);
    std::size_t values = 0;
    while (rows.add(std::nullopt)) ++values;
    EXPECT_EQ(rows.rows(), (16U << 10) / answer_size(1, 3, 0));
    EXPECT_EQ(values / 3, rows.rows());
}

}  // namespace
}  // namespace proxyd::pool
