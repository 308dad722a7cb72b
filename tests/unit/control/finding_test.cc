#include "proxyd/control/check/finding.h"

#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace proxyd::control {
namespace {

using testing::ElementsAre;

TEST(Finding, IsOneLineThatEditorsUnderstand) {
    EXPECT_EQ(format({"/x.cf", 3, Gravity::error, "text"}), "/x.cf:3: error: text");
    EXPECT_EQ(format({"/x.cf", 0, Gravity::warning, "two\nlines"}), "/x.cf: warning: two lines");
}

TEST(Finding, TheSameTwiceCountsOnce) {
    Findings findings;
    findings.error("/x", 1, "a");
    findings.error("/x", 1, "a");
    findings.warning("/x", 1, "a");
    EXPECT_EQ(findings.all().size(), 2U);
    EXPECT_EQ(findings.count(Gravity::error), 1U);
}

TEST(Finding, AreShownFileByFileAndInEachByLine) {
    Findings findings;
    findings.error("/x", 7, "third");
    findings.error("/a", 1, "fourth");
    findings.warning("/x", 3, "second");
    findings.note("/x", 0, "first");
    std::vector<std::string> texts;
    for (const auto& finding : findings.in_order()) texts.push_back(finding.text);
    EXPECT_THAT(texts, ElementsAre("first", "second", "third", "fourth"));
}

TEST(Finding, NamesItsFileOnce) {
    Findings findings;
    findings.error("/x", 0, "open /x: Permission denied");
    findings.error("/x", 0, "open /y: Permission denied");
    EXPECT_EQ(findings.all()[0].text, "cannot be read: Permission denied");
    EXPECT_EQ(findings.all()[1].text, "open /y: Permission denied");
}

TEST(Finding, HoldsNoPasswordOfItsFile) {
    cluster::Secrets secrets;
    secrets.add("s3cr3t");
    Findings findings;
    findings.hide("a.cf", secrets);
    findings.error("a.cf", 1, "value s3cr3t, password=x");
    findings.note("b.cf", 1, "value s3cr3t, password=x");
    ASSERT_EQ(findings.all().size(), 2U);
    EXPECT_EQ(findings.all()[0].text, "value ***, password=***");
    EXPECT_EQ(findings.all()[1].text, "value s3cr3t, password=***");
}

}  // namespace
}  // namespace proxyd::control
