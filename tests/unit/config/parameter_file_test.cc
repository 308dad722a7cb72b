#include "backends/config/parameter_file.h"

#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

namespace proxyd::config {
namespace {

using namespace std::string_literals;
using testing::HasSubstr;

std::string value_of(std::string_view text, std::string_view name) {
    const ParameterFile file = parse_parameters(text, "test.cf");
    const Parameter* parameter = file.find(name);
    return parameter == nullptr ? "(not set)" : parameter->value;
}

struct Row {
    std::string story;
    std::string text;
    std::string value;  // of the parameter "query"
};

const Row rows[] = {
    {"plain", "query = SELECT 1\n", "SELECT 1"},
    {"no blanks", "query=SELECT 1\n", "SELECT 1"},
    {"tabs", "query\t=\tSELECT 1\t\n", "SELECT 1"},
    {"no newline at the end", "query = SELECT 1", "SELECT 1"},
    {"CRLF", "query = SELECT 1\r\n", "SELECT 1"},
    {"CRLF in a continued line stays inside", "query = SELECT\r\n 1\r\n", "SELECT\r 1"},
    {"the first = counts", "query = a = b\n", "a = b"},
    {"two =", "query == x =\n", "= x ="},
    {"empty value", "query =\n", ""},
    {"value of blanks", "query = \t \n", ""},
    {"continuation keeps its white space", "query = SELECT\n   1\n\t+ 2\n", "SELECT   1\t+ 2"},
    {"value begins on the second line", "query =\n  SELECT 1\n", "SELECT 1"},
    {"= on the second line", "query\n = x\n", "x"},
    {"comments and blank lines between", "query = a\n# c\n\n   \n  \t# d\n b\n", "a b"},
    {"vertical tab and form feed are white space", "query = a\n\v\f\n\vb\n", "a\vb"},
    {"no comment behind a value", "query = SELECT 'x' # c\n", "SELECT 'x' # c"},
    {"quotes are text", "query = \"SELECT 1\"\n", "\"SELECT 1\""},
    {"no backslash escapes", "query = a\\\nb = c\n", "a\\"},
    {"no expansion", "query = SELECT '$hosts $$x'\n", "SELECT '$hosts $$x'"},
    {"the last one wins", "query = a\nquery = b\n", "b"},
    {"case matters", "Query = a\n", "(not set)"},
    {"a line that continues nothing is dropped", " query = a\nx = b\n", "(not set)"},
    {"with its continuation", " x = a\n query = b\n", "(not set)"},
    {"comments before do not help it", "# c\n\n query = a\n", "(not set)"},
    {"name with punctuation is another name", "query:x = a\n", "(not set)"},
    {"text after a null byte is lost", "query = a\0b\n c\nx = y\n"s, "a"},
};

TEST(ParameterFile, ReadsValues) {
    for (const Row& row : rows) EXPECT_EQ(value_of(row.text, "query"), row.value) << row.story;
}

TEST(ParameterFile, KnowsTheLineOfEachParameter) {
    const ParameterFile file = parse_parameters("# c\na = 1\n 2\n\nb = 3\n", "test.cf");
    ASSERT_NE(file.find("a"), nullptr);
    ASSERT_NE(file.find("b"), nullptr);
    EXPECT_EQ(file.find("a")->line, 2);
    EXPECT_EQ(file.find("b")->line, 5);
    EXPECT_EQ(file.find("c"), nullptr);
    EXPECT_EQ(file.path, "test.cf");
    EXPECT_EQ(file.errors.size(), 0U);
    EXPECT_EQ(file.warnings.size(), 0U);
}

TEST(ParameterFile, ReportsLinesThatAreNoParameters) {
    const ParameterFile file =
        parse_parameters("a = 1\nmy query = x\n=c\nquery SELECT 1\nword\n\0x = y\nb = 2\n"s, "test.cf");
    ASSERT_EQ(file.errors.size(), 5U);
    EXPECT_EQ(file.errors[0].line, 2);
    EXPECT_THAT(file.errors[0].message, HasSubstr("missing '='"));
    EXPECT_THAT(file.errors[0].message, HasSubstr(": \"my\""));
    EXPECT_EQ(file.errors[1].line, 3);
    EXPECT_THAT(file.errors[1].message, HasSubstr("missing name"));
    EXPECT_EQ(file.errors[2].line, 4);
    EXPECT_EQ(file.errors[3].line, 5);
    EXPECT_EQ(file.errors[4].line, 6);
    EXPECT_THAT(file.errors[4].message, HasSubstr("missing name"));
    EXPECT_EQ(file.find("b")->value, "2");
}

TEST(ParameterFile, WarnsOfOverridingOnlyWhenTheValueDiffers) {
    EXPECT_EQ(parse_parameters("a = 1\na = 1\n", "").warnings.size(), 0U);
    const ParameterFile file = parse_parameters("a = 1\na = 2\n", "");
    ASSERT_EQ(file.warnings.size(), 1U);
    EXPECT_EQ(file.warnings[0].line, 2);
    EXPECT_EQ(file.warnings[0].message, "overriding earlier entry: a=1");
    EXPECT_EQ(file.find("a")->line, 2);
}

TEST(ParameterFile, WarnsOfIgnoredText) {
    const ParameterFile leading = parse_parameters("\n a = 1\n b = 2\nc = 3\n", "");
    ASSERT_EQ(leading.warnings.size(), 1U);
    EXPECT_EQ(leading.warnings[0].line, 2);
    EXPECT_THAT(leading.warnings[0].message, HasSubstr("starts with white space"));
    const ParameterFile nul = parse_parameters("x = y\na = 1\0 2\n"s, "");
    ASSERT_EQ(nul.warnings.size(), 1U);
    EXPECT_EQ(nul.warnings[0].line, 2);
}

TEST(LogicalLines, AreFreeOfComments) {
    const LogicalLines result = split_logical_lines("proxy:fail:a\n# c\n  proxy:fail:b\nx\n");
    ASSERT_EQ(result.lines.size(), 2U);
    EXPECT_EQ(result.lines[0].text, "proxy:fail:a  proxy:fail:b");
    EXPECT_EQ(result.lines[0].number, 1);
    EXPECT_EQ(result.lines[1].text, "x");
    EXPECT_EQ(result.lines[1].number, 4);
    EXPECT_EQ(split_logical_lines("").lines.size(), 0U);
}

class ReadFile : public testing::Test {
  protected:
    ReadFile() {
        char name[] = "/tmp/proxyd-parameter-file-XXXXXX";
        directory_ = mkdtemp(name);
    }
    ~ReadFile() override {
        for (const char* file : {"/a.cf", "/fifo"}) ::unlink((directory_ + file).c_str());
        ::rmdir(directory_.c_str());
    }

    std::string directory_;
    std::string error_;
};

TEST_F(ReadFile, GivesAllBytes) {
    std::ofstream(directory_ + "/a.cf") << "a = 1\nb = " << std::string(100000, 'x');
    const auto file = read_parameter_file(directory_ + "/a.cf", error_);
    ASSERT_TRUE(file) << error_;
    EXPECT_EQ(file->path, directory_ + "/a.cf");
    EXPECT_EQ(file->find("b")->value.size(), 100000U);
}

TEST_F(ReadFile, SaysWhyNot) {
    EXPECT_FALSE(read_parameter_file(directory_ + "/missing.cf", error_));
    EXPECT_EQ(error_, "open " + directory_ + "/missing.cf: No such file or directory");
    EXPECT_EQ(read_file(directory_, error_), std::nullopt);
    EXPECT_EQ(error_, "read " + directory_ + ": Is a directory");
}

TEST_F(ReadFile, IsNotStoppedByAFifo) {
    ASSERT_EQ(::mkfifo((directory_ + "/fifo").c_str(), 0600), 0);
    EXPECT_EQ(read_file(directory_ + "/fifo", error_), "");
}

TEST(NearestName, IsAtMostTwoEditsAway) {
    const std::vector<std::string_view> known = {"pool_size", "pipeline_depth", "lookup_timeout"};
    EXPECT_EQ(nearest_name("pool_size", known), "pool_size");
    EXPECT_EQ(nearest_name("poolsize", known), "pool_size");
    EXPECT_EQ(nearest_name("pol_sise", known), "pool_size");
    EXPECT_EQ(nearest_name("lookup_timeouts", known), "lookup_timeout");
    EXPECT_EQ(nearest_name("pol_sis", known), "");
    EXPECT_EQ(nearest_name("zzz", known), "");
    EXPECT_EQ(nearest_name("x", {}), "");
}

}  // namespace
}  // namespace proxyd::config
