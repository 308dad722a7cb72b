#include "backends/report/redact.h"

#include <gtest/gtest.h>

namespace proxyd {
namespace {

struct Case {
    const char* text;
    const char* wanted;
};

TEST(RedactUri, HidesPasswordsAndNothingElseOfAWellFormedUri) {
    const Case cases[] = {
        {"postgresql://u:secret@h/db?password=x", "postgresql://u:***@h/db?password=***"},
        {"postgres://u:secret@h:5432/db", "postgres://u:***@h:5432/db"},
        {"postgresql://u@h/db", "postgresql://u@h/db"},
        {"postgresql://h:5432/db", "postgresql://h:5432/db"},
        {"postgresql://:secret@h", "postgresql://:***@h"},
        {"postgresql:///db?host=/tmp&password=x&user=y", "postgresql:///db?host=/tmp&password=***&user=y"},
        {"postgresql://h/db?sslpassword=x&sslmode=require",
         "postgresql://h/db?sslpassword=***&sslmode=require"},
        {"postgresql://h/db?PASSWORD=x", "postgresql://h/db?PASSWORD=***"},
        {"postgresql://u:p@[::1]:5432/db", "postgresql://u:***@[::1]:5432/db"},
        {"postgresql://[::1]:5432/db?user=a@b", "postgresql://[::1]:5432/db?user=a@b"},
        {"postgresql://h1:1,h2:2/db?user=a@b", "postgresql://h1:1,h2:2/db?user=a@b"},
        {"postgresql://u:p@h/db?user=a@b&x=y", "postgresql://u:***@h/db?user=a@b&x=***"},
        {"postgresql://h/db?password", "postgresql://h/db?password"},
        {"postgresql://h/db?pasword=secret", "postgresql://h/db?pasword=***"},
        {"db.example.com", "db.example.com"},
        {"", ""},
        {"postgresql://", "postgresql://"},
    };
    for (const auto& c : cases) {
        EXPECT_EQ(redact_uri(c.text), c.wanted) << c.text;
    }
}

TEST(RedactUri, HidesTooMuchRatherThanTooLittleOfAMalformedOne) {
    for (const char* uri :
         {"postgresql://u:SE@SE@h/db", "postgresql://u:SE/SE@h/db", "postgresql://u:SE?SE@h/db",
          "postgresql://u:SE@SE/SE@h/db", "postgresql://u:SE:SE@h/db", "postgresql://u:SE#SE@h/db"}) {
        EXPECT_EQ(redact_uri(uri), "postgresql://u:***@h/db") << uri;
    }
}

TEST(RedactHost, HidesWhatStandsBeforeAnAt) {
    for (const auto* harmless :
         {"h", "h:5432", "[::1]:5432", "inet:h:3306", "unix:/run/a@b", "/run/s", "@abstract", ""})
        EXPECT_EQ(redact_host(harmless), harmless);
    EXPECT_EQ(redact_host("u:secret@h:5432"), "***@h:5432");
    EXPECT_EQ(redact_host("h:u:se@cret@x"), "***@x");
    EXPECT_EQ(redact_host("mysql://u:secret@h/d"), "mysql://u:***@h/d");
    EXPECT_EQ(redact_host("password=secret"), "password=***");
    EXPECT_EQ(redact_host("secret=secret"), "***");
}

TEST(RedactHost, HidesAPortThatIsNone) {
    for (const auto* harmless : {"h", "/run/s", "unix:/run/s", "[::1]:5432", "::1"})
        EXPECT_EQ(redact_host_and_port(harmless), harmless);
    EXPECT_EQ(redact_host_and_port("mail:secret"), "mail:***");
    EXPECT_EQ(redact_host_and_port("inet:mail:secret"), "inet:mail:***");
    EXPECT_EQ(redact_host_and_port("/x/secret@h"), "***");
    EXPECT_EQ(redact_host_and_port("u:secret@h"), "***@h");
}

TEST(RedactConninfo, HidesPasswordValuesOfAnyQuoting) {
    const Case cases[] = {
        {"host=x password=secret dbname=y", "host=x password=*** dbname=y"},
        {"password='a b' host=x", "password=*** host=x"},
        {R"(password='a\' b' host=x)", "password=*** host=x"},
        {R"(password=a\ b host=x)", "password=*** host=x"},
        {"password = secret host=x", "password = *** host=x"},
        {"password='never closed host=x", "password=***"},
        {"sslpassword=k PassWord=p", "sslpassword=*** PassWord=***"},
        {"passwd=p", "passwd=***"},
        {"password=", "password=***"},
        {"password=x\\", "password=***"},
        {"passfile=/x user=password", "passfile=/x user=password"},
        {"no password supplied", "no password supplied"},
        {"password=a://b@c host=x", "password=*** host=x"},
    };
    for (const auto& c : cases) {
        EXPECT_EQ(redact_conninfo(c.text), c.wanted) << c.text;
        EXPECT_EQ(redact(c.text), c.wanted) << c.text;
    }
}

TEST(Redact, FindsBothFormsInAMessage) {
    EXPECT_EQ(redact("cannot connect to postgresql://u:p@h/db: password=q refused"),
              "cannot connect to postgresql://u:***@h/db: password=*** refused");
    EXPECT_EQ(redact("bad URI \"postgresql://u:a\"b@h/db\" in x.cf"),
              "bad URI \"postgresql://u:***@h/db\" in x.cf");
    EXPECT_EQ(redact("://"), "://");
    EXPECT_EQ(redact("host password=***: no host"), "host password=***: no host");
    EXPECT_EQ(redact("plain text, nothing to hide = 1"), "plain text, nothing to hide = 1");
}

TEST(RedactableBeginning, DoesNotEndWithinAUri) {
    EXPECT_EQ(redactable_beginning("short", 5), "short");
    EXPECT_EQ(redactable_beginning("longer text", 8), "longer t");
    const std::string_view text = "to postgresql://u:pw@h/d and on";
    EXPECT_EQ(redactable_beginning(text, 19), "to postgresql://");
    EXPECT_EQ(redactable_beginning(text, 16), "to postgresql://");
    EXPECT_EQ(redactable_beginning(text, 10), "to postgre");
    EXPECT_EQ(redactable_beginning(text, 24), "to postgresql://u:pw@h/d");
    EXPECT_EQ(redactable_beginning(text, 27), "to postgresql://u:pw@h/d an");
    for (std::size_t most = 0; most <= text.size(); ++most) {
        EXPECT_EQ(redact(redactable_beginning(text, most)).find("pw"), std::string::npos) << most;
        EXPECT_EQ(redact(redactable_beginning("password='a pw' x", most)).find("pw"), std::string::npos);
    }
}

}  // namespace
}  // namespace proxyd
