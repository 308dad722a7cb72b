// The daemon's options, as set in proxyd.cf. Each is declared once, in options.cc. Parsing, `proxyctl check`,
// the dump of effective values and the table in proxyd.cf(5) come from that declaration.
#pragma once

#include <chrono>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "backends/config/parameter_file.h"
#include "backends/table/settings.h"

namespace proxyd {

enum class YesNoAuto { yes, no, automatic };

// No value: "auto".
using NumberOrAuto = std::optional<int>;

// Values with their defaults, which suit a normal site. The members of the base class can also be set in a
// table file, for that table.
struct Options : table::TableSettings {
    // the stock server, for tables of other types
    std::string relay_service = "proxymap-stock";
    std::string relay_write_service = "proxywrite-stock";
    int relay_connections = 16;

    // clients
    YesNoAuto postfix_greeting = YesNoAuto::automatic;
    std::size_t request_size_limit = std::size_t{1} << 20;
    std::chrono::milliseconds request_timeout{10000};

    // stand-alone
    std::vector<std::string> allowed_tables;
    bool smtputf8_enable = true;

    // the processes
    NumberOrAuto workers = 1;
    std::chrono::milliseconds repeat_interval{60000};
    std::chrono::milliseconds drain_timeout{15000};
    std::chrono::milliseconds watchdog_timeout{30000};
    int busy_poll = 100;
    bool seccomp = true;
};

enum class OptionType { integer, integer_or_auto, size, duration, boolean, yes_no_auto, text, list };

// One declaration.
struct OptionInfo {
    std::string_view name;
    OptionType type;
    std::string_view range;      // for people: "1 to 1000"
    std::string_view fallback;   // the default as written in a file: "10s"
    bool per_table;              // can be set in a table file
    bool reloadable;             // SIGHUP (stand-alone) applies it; otherwise a restart is needed
    std::string_view help;       // one or two sentences for the manual page
    std::string_view example{};  // a value to copy, where the default shows none
};

[[nodiscard]] const std::vector<OptionInfo>& option_infos();

// Whether proxyd.cf has an option of this name.
[[nodiscard]] bool is_option(std::string_view name);

// Sets one option from its text. Returns "", or the bad value and the values expected.
[[nodiscard]] std::string set_option(Options& options, std::string_view name, std::string_view value);

// The option's effective value, as written in a file.
[[nodiscard]] std::string option_text(const Options& options, std::string_view name);

// Sets `options` from all parameters of proxyd.cf. Returns unknown names and bad values as problems, each
// with its line, the value and a suggestion.
[[nodiscard]] std::vector<config::Problem> apply(Options& options, const config::ParameterFile& file);

}  // namespace proxyd
