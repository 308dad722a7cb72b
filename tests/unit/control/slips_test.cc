#include "proxyd/control/check/slips.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "backends/pgsql/unknown_option.h"
#include "proxyd/control/check/parameter_check.h"
#include "proxyd/control/check/strange_character.h"
#include "proxyd/control/check/table_check.h"

namespace proxyd::control {
namespace {

using sql::SqlDialect;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

const std::vector<std::string> known = {"hosts", "user",         "password",   "dbname",
                                        "query", "domain",       "dbpath",     "result_format",
                                        "table", "select_field", "where_field"};

std::vector<std::string> slips(SqlDialect dialect, const std::string& text) {
    const auto parameters = table::TableParameters::from_file(config::parse_parameters(text, "t.cf"));
    Findings findings;
    auto doubts = check_parameters({"any", dialect, known, "", true}, parameters, "t.cf", findings);
    for (auto& doubt :
         find_slips(dialect, parameters, known, "t.cf", [&](auto name) { return parameters.line(name); }))
        doubts.push_back(doubt);
    std::vector<std::string> lines;
    for (const auto& doubt : doubts) lines.push_back(format(doubt.finding));
    for (const auto& finding : findings.all()) lines.push_back(format(finding));
    return lines;
}

constexpr SqlDialect all_dialects[] = {SqlDialect::pgsql, SqlDialect::mysql, SqlDialect::sqlite};

TEST(Slips, TypographicQuotesInAQuery) {
    for (const auto dialect : all_dialects) {
        EXPECT_THAT(
            slips(dialect, "query = SELECT d FROM t WHERE a = ‘%s’\n"),
            ElementsAre("t.cf:1: error: the typographic quotation mark (U+2018) is no quotation mark for "
                        "SQL, in \"...ROM t WHERE a = ‘%s’\": write the straight ', as in '%s'"));
        for (const char* query : {"a = “%s”", "a = ´%s´", "a = «%u»", "a = „%s“", "a = ＇%s＇"})
            EXPECT_THAT(slips(dialect, std::string("query = SELECT d FROM t WHERE ") + query + "\n"),
                        ElementsAre(HasSubstr("t.cf:1: error: the typographic ")))
                << query;
        // The quotation marks of Windows-1252.
        EXPECT_THAT(slips(dialect, "query = SELECT d FROM t WHERE a = \x91%s\x92\n"),
                    ElementsAre(HasSubstr("typographic quotation mark (U+2018)")));
        EXPECT_THAT(slips(dialect, "query = SELECT 'l’amour' FROM t WHERE a = '%s'\n"), IsEmpty());
    }
}

TEST(Slips, AQueryThatIsNothingButAComment) {
    for (const auto dialect : all_dialects) {
        EXPECT_THAT(
            slips(dialect, "query = -- the aliases\n  SELECT d FROM t\n  WHERE a = '%s'\n"),
            ElementsAre("t.cf:1: error: the query is nothing but a comment, \"-- the aliases  SELECT d "
                        "FROM t ...\": all lines of a value are joined into one, which is a comment to "
                        "its end; remove the comment, or write it in /* */"));
        EXPECT_THAT(slips(dialect, "query = /* %s */\n"),
                    ElementsAre("t.cf:1: error: the query is nothing but a comment, \"/* %s */\": write a "
                                "statement behind it"));
        EXPECT_THAT(slips(dialect, "query = /* aliases */ SELECT d FROM t WHERE a = '%s' -- all\n"),
                    IsEmpty());
    }
    EXPECT_THAT(slips(SqlDialect::mysql, "query = # SELECT d FROM t WHERE a = '%s'\n"),
                ElementsAre(HasSubstr("nothing but a comment")));
    EXPECT_THAT(slips(SqlDialect::mysql, "query = /*! SELECT d FROM t WHERE a = '%s' */\n"), IsEmpty());
}

TEST(Slips, CharactersInAQueryThatNobodySees) {
    for (const auto dialect : all_dialects) {
        EXPECT_THAT(
            slips(dialect, "query = SELECT d\u00a0FROM t WHERE a = '%s'\n"),
            ElementsAre("t.cf:1: error: the query holds a no-break space (U+00A0), which SQL takes for a "
                        "letter, in \"SELECT d[U+00A0]FROM t WHERE a = '%s'\": write a plain space"));
        EXPECT_THAT(slips(dialect, "query = SELECT d\u200b FROM t WHERE a = '%s'\n"),
                    ElementsAre(AllOf(HasSubstr("a zero width space (U+200B)"), HasSubstr(": remove it"))));
        EXPECT_THAT(slips(dialect, "query = SELECT d FROM t WHERE\u3000a = '%s'\n"),
                    ElementsAre(HasSubstr("error: the query holds an ideographic space (U+3000)")));
        // The servers accept these characters in an alias after AS, and in string literals.
        EXPECT_THAT(slips(dialect, "query = SELECT d AS\u00a0x FROM t WHERE a = '%s'\n"),
                    ElementsAre(HasSubstr("warning: the query holds a no-break space")));
        EXPECT_THAT(slips(dialect, "query = SELECT '\u00a0' FROM t WHERE a = '%s'\n"), IsEmpty());
        EXPECT_THAT(slips(dialect, "query = SELECT größe FROM bücher WHERE a = '%s'\n"), IsEmpty());
    }
}

TEST(Slips, AQuoteThatIsNotClosed) {
    for (const auto dialect : all_dialects) {
        EXPECT_THAT(
            slips(dialect, "query = SELECT d FROM t WHERE a = '%s\n"),
            ElementsAre("t.cf:1: error: the quotation mark ' is opened and not closed, at \"...'%s\": "
                        "close it"));
        EXPECT_THAT(slips(dialect, "query = SELECT d FROM t WHERE a = '%s' AND b = 'it''s'\n"), IsEmpty());
    }
    // Here the server's settings decide whether the quotation mark is closed.
    EXPECT_THAT(slips(SqlDialect::mysql, "query = SELECT '\\' FROM t WHERE a = '%s\n"),
                testing::Each(Not(HasSubstr("error"))));
}

TEST(Slips, CharactersInOtherValues) {
    for (const char* name : {"hosts", "user", "dbname", "dbpath"}) {
        EXPECT_THAT(
            slips(SqlDialect::pgsql, std::string(name) + " = mail\u00a0\n"),
            ElementsAre(std::string("t.cf:1: error: the value of ") + name +
                        " holds a no-break space (U+00A0), which one does not see: mail[U+00A0]: write a "
                        "plain space, or remove it"));
    }
    EXPECT_THAT(
        slips(SqlDialect::mysql, "password = top\u200bsecret\n"),
        ElementsAre("t.cf:1: warning: the value of password holds a zero width space (U+200B), which one "
                    "does not see: remove it"));
    EXPECT_THAT(slips(SqlDialect::pgsql, "dbname = dbname=mail\u00a0password=topsecret\n"),
                ElementsAre(Not(HasSubstr("topsecret"))));
    EXPECT_THAT(slips(SqlDialect::mysql, "user = müller\npassword = “x\n"), IsEmpty());
}

TEST(Slips, AByteOrderMark) {
    const std::string mark = "\xEF\xBB\xBF";
    EXPECT_THAT(
        slips(SqlDialect::mysql, mark + "user = mail\ndbname = mail\n"),
        ElementsAre("t.cf:1: error: a byte order mark (U+FEFF) at the beginning of the line makes \"user\" "
                    "an unknown parameter, which is ignored: save the file without it (UTF-8 without BOM)"));
    EXPECT_THAT(slips(SqlDialect::mysql, mark + "domain = x\n"),
                ElementsAre(HasSubstr("warning: a byte order mark")));
    EXPECT_THAT(
        slips(SqlDialect::mysql, "user\u00a0= mail\n"),
        ElementsAre("t.cf:1: error: unknown parameter \"user[U+00A0]\" is ignored: the name holds a no-break "
                    "space (U+00A0), which one does not see: write \"user\""));
    const auto file = config::parse_parameters(mark + "# a comment\nuser = mail\n", "t.cf");
    ASSERT_EQ(file.errors.size(), 1U);
    EXPECT_THAT(file.errors[0].message, HasSubstr("the file begins with a byte order mark (U+FEFF)"));
}

TEST(Slips, NotesBehindValues) {
    for (const char* name : {"user", "dbname", "dbpath"}) {
        EXPECT_THAT(
            slips(SqlDialect::mysql, std::string(name) + " = mail # a note\n"),
            ElementsAre(std::string("t.cf:1: error: \"# a note\" is a part of the value of ") + name +
                        ", as comments have lines of their own: put it into a line that begins with #"));
    }
    // MySQL asks the first of these hosts, so that it is only a warning.
    EXPECT_THAT(slips(SqlDialect::mysql, "hosts = 127.0.0.1 # local\n"), ElementsAre(HasSubstr("warning: ")));
    EXPECT_THAT(slips(SqlDialect::mysql, "password = a #secret\n"),
                ElementsAre(AllOf(HasSubstr("warning: what begins with # is "), Not(HasSubstr("secret")))));
    EXPECT_THAT(slips(SqlDialect::mysql, "password = a#secret\n"), IsEmpty());
    EXPECT_THAT(slips(SqlDialect::pgsql, "query = SELECT '%s' # note\n"), ElementsAre(HasSubstr("error: ")));
    EXPECT_THAT(slips(SqlDialect::mysql, "query = SELECT '%s' # note\n"), IsEmpty());
}

TEST(Slips, QuotesAroundValues) {
    for (const char* value : {"\"mail\"", "'mail'", "“mail”"}) {
        EXPECT_THAT(slips(SqlDialect::pgsql, std::string("user = ") + value + "\n"),
                    ElementsAre(AllOf(HasSubstr("t.cf:1: error: the "),
                                      HasSubstr("quotes around the value of user are taken for a part of it: "
                                                "remove the quotes"))));
    }
    // Quotes make this field a constant.
    EXPECT_THAT(slips(SqlDialect::mysql, "table = t\nselect_field = 'relay'\nwhere_field = d\n"), IsEmpty());
    // A password may contain quotes, so that it is only a warning.
    EXPECT_THAT(slips(SqlDialect::pgsql, "password = \"secret\"\n"),
                ElementsAre(AllOf(HasSubstr("warning: the quotes around"), Not(HasSubstr("secret")))));
    EXPECT_THAT(
        slips(SqlDialect::mysql, "dbname = mail;\n"),
        ElementsAre("t.cf:1: error: the ';' at the end is taken for a part of the value of dbname: remove "
                    "it"));
}

TEST(Slips, NamesOfOtherPrograms) {
    const auto advice = [](const std::string& text) {
        return ElementsAre(HasSubstr("is ignored: write " + text));
    };
    EXPECT_THAT(slips(SqlDialect::pgsql, "username = x\n"), advice("\"user\""));
    EXPECT_THAT(slips(SqlDialect::mysql, "database = x\n"), advice("\"dbname\""));
    EXPECT_THAT(slips(SqlDialect::mysql, "db = x\n"), advice("\"dbname\""));
    EXPECT_THAT(slips(SqlDialect::mysql, "host = x\n"), advice("\"hosts\""));
    EXPECT_THAT(slips(SqlDialect::mysql, "port = 1\n"),
                advice("the port behind the host, as in \"hosts = 127.0.0.1:3306\""));
    EXPECT_THAT(slips(SqlDialect::pgsql, "port = 1\n"),
                advice("the port behind the host, as in \"hosts = 127.0.0.1:5432\""));
    EXPECT_THAT(slips(SqlDialect::mysql, "socket = /x\n"),
                advice("the socket as a host, as in \"hosts = unix:/run/mysqld/mysqld.sock\""));
    EXPECT_THAT(slips(SqlDialect::pgsql, "charset = x\n"), advice("\"encoding\""));
    EXPECT_THAT(slips(SqlDialect::pgsql, "sslmode = require\n"),
                ElementsAre(HasSubstr("sslmode=verify-full sslrootcert=")));
}

TEST(StrangeCharacters, AreNamed) {
    EXPECT_FALSE(find_strange_character("größe, 日本, plain"));
    const auto found = find_strange_character("ab\u00a0c");
    ASSERT_TRUE(found);
    EXPECT_EQ(found->at, 2U);
    EXPECT_EQ(describe(*found), "a no-break space (U+00A0)");
    EXPECT_EQ(describe(*find_strange_character("\u2003")), "an em space (U+2003)");
    EXPECT_EQ(with_strange_characters_shown("a\u00a0b’c\u200b"), "a[U+00A0]b’c[U+200B]");
}

TEST(UnknownOption, OfUrisAndConnectionText) {
    using pgsql::find_unknown_option;
    EXPECT_EQ(find_unknown_option("postgresql://u:p@h/d?sslmod=require"),
              "unknown option \"sslmod\", did you mean \"sslmode\"?");
    EXPECT_EQ(find_unknown_option("postgresql://h/d?sslmode=require&nosuchoption=1"),
              "unknown option \"nosuchoption\"");
    EXPECT_EQ(find_unknown_option("dbname = mail sslmod=require"),
              "unknown option \"sslmod\", did you mean \"sslmode\"?");
    EXPECT_FALSE(find_unknown_option("dbname=mail user='a b=c' host=h"));
    // The message does not show text that may be part of a password.
    EXPECT_FALSE(find_unknown_option("postgresql://u:pa?topsecret=x@h/d"));
    EXPECT_FALSE(find_unknown_option("dbname=mail password=my topsecret=x"));
    EXPECT_EQ(find_unknown_option("dbname=mail password=x sslmod=require"),
              "unknown option, perhaps meant as \"sslmode\"");
}

TEST(Password, IsNotAnOptionThatNobodyKnows) {
    EXPECT_FALSE(holds_password("postgresql://u@h/d?sslmod=require"));
    EXPECT_FALSE(holds_password("postgresql://h/d?a=b&nosuch=1"));
    EXPECT_TRUE(holds_password("postgresql://u@h/d?passwrd=secret"));
    EXPECT_TRUE(holds_password("postgresql://u@h/d?sslmode=x&password=secret"));
    EXPECT_TRUE(holds_password("postgresql://u:se?cret=x@h/d"));
}

}  // namespace
}  // namespace proxyd::control
