#include "proxyd/control/postfix/master_cf_edit.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace proxyd::control {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

const std::string before =
    "smtp inet n - y - - smtpd\n"
    "# lookups\n"
    "proxymap unix - - n - - proxymap\n"
    "  -o a=b\n"
    "# of the options\n"
    "  -v\n"
    "last unix - - n - - discard";
const std::string with =
    "smtp inet n - y - - smtpd\n"
    "# lookups\n"
    "proxymap   unix  -       -       n       -       1       proxyd\n"
    "    -o a=b\n"
    "    -v\n"
    "# of the options\n"
    "last unix - - n - - discard\n"
    "proxymap-stock unix - - n - - proxymap -n proxymap\n";

TEST(MasterCfEdit, WhatIsWanted) {
    EXPECT_THAT(entries_for_proxyd(before, "proxymap-stock"),
                ElementsAre("proxymap/unix=proxymap unix - - n - 1 proxyd -o a=b -v",
                            "proxymap-stock/unix=proxymap-stock unix - - n - - proxymap -n proxymap -o a=b"));
    EXPECT_THAT(entries_for_proxyd(before, "").size(), 1U);
    EXPECT_THAT(entries_for_proxyd(before, "/run/stock").size(), 1U);
    EXPECT_THAT(entries_for_proxyd(with, "proxymap-stock"), IsEmpty());
    EXPECT_THAT(entries_for_proxyd("", "other"),
                ElementsAre("proxymap/unix=proxymap unix - - n - 1 proxyd",
                            "other/unix=other unix - - n - - proxymap -n proxymap"));
}

TEST(MasterCfEdit, StockServerDoesNotGetOptionsOfProxyd) {
    const auto entries =
        entries_for_stock("proxymap unix - - n - 1 proxyd -o pool_size=3 -o {x = y z}\n", {"stock"});
    EXPECT_THAT(entries.set, ElementsAre("proxymap/unix=proxymap unix - - n - - proxymap -o {x=y z}"));
    EXPECT_THAT(entries.remove, IsEmpty());
    EXPECT_THAT(entries_for_stock(with, {"proxymap-stock"}).remove, ElementsAre("proxymap-stock/unix"));
    EXPECT_THAT(entries_for_stock(before, {"proxymap-stock"}).set, IsEmpty());
}

TEST(MasterCfEdit, StockServerAlsoWrites) {
    const auto entries = entries_for_stock(
        "proxywrite unix - - n - 1 proxyd\nw unix - - n - 1 proxymap -n proxywrite\n", {"r", "w"});
    EXPECT_THAT(entries.set, ElementsAre("proxywrite/unix=proxywrite unix - - n - 1 proxymap"));
    EXPECT_THAT(entries.remove, ElementsAre("w/unix"));
}

TEST(MasterCfEdit, OfSeveralEntriesTheLastCounts) {
    const std::string ours = "proxymap unix - - n - 1 proxyd\n";
    const std::string stock = "proxymap unix - - n - - proxymap\n";
    const std::string relay = "proxymap-stock unix - - n - - proxymap -n proxymap\n";
    EXPECT_THAT(entries_for_proxyd(stock + relay + ours, "proxymap-stock"), IsEmpty());
    EXPECT_THAT(entries_for_proxyd(ours + relay + stock, "proxymap-stock").size(), 1U);
    EXPECT_THAT(entries_for_stock(stock + ours, {}).set.size(), 1U);
    EXPECT_THAT(entries_for_stock(ours + stock, {}).set, IsEmpty());
    EXPECT_THAT(
        entries_for_stock(ours + "r unix - - n - - other\n" + "r unix - - n - - proxymap\n", {"r"}).remove,
        ElementsAre("r/unix"));
}

TEST(MasterCfEdit, UntouchedFileBecomesWhatItWas) {
    EXPECT_EQ(entries_restored(with, before, with), before);
}

TEST(MasterCfEdit, EditsStay) {
    const auto restored = entries_restored("# new\n" + with + "new unix - - n - - discard\n", before, with);
    EXPECT_EQ(restored,
              "# new\n"
              "smtp inet n - y - - smtpd\n"
              "# lookups\n"
              "proxymap unix - - n - - proxymap\n"
              "  -o a=b\n"
              "  -v\n"
              "# of the options\n"
              "last unix - - n - - discard\n"
              "new unix - - n - - discard\n");
}

TEST(MasterCfEdit, OwnEntryIsPutBackWhenItHasGone) {
    EXPECT_EQ(entries_restored("last unix - - n - - discard", before, with),
              "last unix - - n - - discard\n"
              "proxymap unix - - n - - proxymap\n"
              "  -o a=b\n"
              "  -v\n");
}

TEST(MasterCfEdit, EntryOfTheSiteWithTheNameOfTheRelayStays) {
    const auto own = before + "\nproxymap-stock unix - - n - 5 proxymap -n proxymap\n";
    EXPECT_THAT(entries_for_proxyd(own, "proxymap-stock").size(), 1U);
    EXPECT_EQ(entries_restored("# new\n" + own, own, own), "# new\n" + own);
}

TEST(MasterCfEdit, RemovedEntryTakesItsOptionsAlong) {
    EXPECT_EQ(without_entry("a unix x\n\tmore\n# comment\n  more\nb unix y\n", "a/unix"),
              "# comment\nb unix y\n");
}

TEST(MasterCfEdit, ColumnsThatChangeAreNamedWithTheReason) {
    EXPECT_EQ(changed_columns("proxymap unix - - n - 1 proxymap\n"), "");
    EXPECT_EQ(changed_columns("proxymap unix n n y - 20 proxyd\n"), "");
    EXPECT_EQ(changed_columns("smtp inet n - y - - smtpd\n"), "");
    EXPECT_EQ(
        changed_columns("proxymap unix - - y - 20 proxymap\n"),
        "columns of proxymap: chroot y becomes n (table files, sockets and certificates are found where they "
        "are); maxproc 20 becomes 1 (one process serves all)");
}

}  // namespace
}  // namespace proxyd::control
