#include "proxyd/master/arguments.h"

#include <charconv>

#include <fmt/format.h>

namespace proxyd::master {
namespace {

constexpr std::string_view with_value = "imnost";

std::string_view trimmed(std::string_view text) {
    constexpr std::string_view blanks = " \t\r\n\v\f";
    const auto first = text.find_first_not_of(blanks);
    if (first == std::string_view::npos) {
        return {};
    }
    return text.substr(first, text.find_last_not_of(blanks) - first + 1);
}

std::string_view base_name(std::string_view path) {
    return path.substr(path.rfind('/') + 1);
}

void add_override(DaemonArguments& out, std::string_view text) {
    const auto equals = text.find('=');
    const auto name = trimmed(text.substr(0, equals));
    if (equals == std::string_view::npos || name.empty()) {
        // The text after a blank may be a value, perhaps a password.
        throw UsageError(
            fmt::format("option -o {}: must be name=value, or {{ name = value }} where there are blanks",
                        name.substr(0, name.find_first_of(" \t"))));
    }
    if (name.find_first_of(" \t") != std::string_view::npos) {
        throw UsageError(fmt::format("option -o: blanks in the parameter name \"{}\"", name));
    }
    out.overrides.emplace_back(name, trimmed(text.substr(equals + 1)));
}

int socket_count(std::string_view text) {
    int count = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), count);
    if (error != std::errc() || end != text.data() + text.size() || count < 1 || count > 1000) {
        throw UsageError(fmt::format("option -s {}: the number of listen sockets must be 1 to 1000", text));
    }
    return count;
}

// One command line, read from front to back.
class Reader {
  public:
    Reader(int argc, const char* const* argv) : words_(argv + (argc > 0 ? 1 : 0), argv + argc) {}

    void read(DaemonArguments& out) {
        while (at_ < words_.size()) {
            const auto word = words_[at_++];
            if (word == "--") {
                break;
            }
            if (word.starts_with("--")) {
                read_long(out, word.substr(2));
            } else if (word.starts_with('-') && word.size() > 1) {
                read_short(out, word.substr(1));
            } else {
                --at_;
                break;
            }
        }
        if (at_ < words_.size()) {
            throw UsageError(unexpected());
        }
    }

    bool stand_alone_request = false;  // -S

  private:
    // A word that is no option may belong to the value of the option before it, perhaps a password.
    [[nodiscard]] std::string unexpected() const {
        return last_option_.empty() ? fmt::format("unexpected argument \"{}\"", words_[at_])
                                    : fmt::format("unexpected argument behind {}", last_option_);
    }

    std::string_view next(std::string_view option) {
        if (at_ == words_.size()) {
            throw UsageError(fmt::format("option {} needs a value", option));
        }
        return words_[at_++];
    }

    void read_short(DaemonArguments& out, std::string_view letters) {
        while (!letters.empty()) {
            const char letter = letters.front();
            letters.remove_prefix(1);
            last_option_ = fmt::format("option -{}", letter);
            if (flag_letters.find(letter) != std::string_view::npos) {
                set_flag(out, letter);
            } else if (with_value.find(letter) != std::string_view::npos) {
                set_value(out, letter, letters.empty() ? next(fmt::format("-{}", letter)) : letters);
                if (letter == 'o') {
                    last_option_ =
                        fmt::format("option -o {}: write {{ name = value }} where there are blanks",
                                    out.overrides.back().first);
                }
                return;
            } else {
                throw UsageError(fmt::format("unknown option -{}", letter));
            }
        }
    }

    void set_flag(DaemonArguments& out, char letter) {
        switch (letter) {
            case 'c': out.chroot = true; break;
            case 'd': out.not_a_daemon = true; break;
            case 'D': out.call_debugger = true; break;
            case 'l': out.single_process = true; break;
            case 'S': stand_alone_request = true; break;
            case 'u': out.unprivileged = true; break;
            case 'v': ++out.verbose; break;
            case 'V': out.log_to_stderr = true; break;
            case 'z': out.unlimited_processes = true; break;
            default: break;
        }
    }

    static void set_value(DaemonArguments& out, char letter, std::string_view value) {
        switch (letter) {
            case 'i': out.overrides.emplace_back("max_idle", value); break;
            case 'm': out.overrides.emplace_back("max_use", value); break;
            case 'n': out.service_name = value; break;
            case 'o': add_override(out, value); break;
            case 's': out.socket_count = socket_count(value); break;
            case 't': out.transport = value; break;
            default: break;
        }
    }

    void read_long(DaemonArguments& out, std::string_view word) {
        const auto equals = word.find('=');
        const auto name = word.substr(0, equals);
        last_option_ = fmt::format("option --{}", name);
        const auto value = [&]() -> std::string {
            const auto text =
                equals == std::string_view::npos ? next(fmt::format("--{}", name)) : word.substr(equals + 1);
            if (text.empty()) {
                throw UsageError(fmt::format("option --{} needs a value", name));
            }
            return std::string(text);
        };
        if (name == "listen") {
            out.listen_path = value();
        } else if (name == "config") {
            out.config_path = value();
        } else if (equals != std::string_view::npos ||
                   (name != "help" && name != "version" && name != "verbose")) {
            throw UsageError(fmt::format("unknown option --{}{}", name, name == word ? "" : "="));
        } else if (name == "verbose") {
            ++out.verbose;
        } else {
            out.mode = name == "help" ? RunMode::help : RunMode::version;
        }
    }

    std::vector<std::string_view> words_;
    std::size_t at_ = 0;
    std::string last_option_;  // the last option read, for messages
};

RunMode run_mode(const DaemonArguments& arguments, bool stand_alone_request) {
    if (arguments.mode != RunMode::master) {
        return arguments.mode;
    }
    if (arguments.listen_path && (stand_alone_request || !arguments.transport.empty())) {
        throw UsageError(
            fmt::format("--listen cannot be combined with {}", stand_alone_request ? "-S" : "-t"));
    }
    if (arguments.listen_path) {
        return RunMode::listen;
    }
    if (stand_alone_request) {
        return RunMode::stdio;
    }
    if (arguments.transport.empty()) {
        throw UsageWanted(std::string(usage()));
    }
    return RunMode::master;
}

}  // namespace

DaemonArguments parse_arguments(int argc, const char* const* argv) {
    DaemonArguments out;
    out.process_name = base_name(argc > 0 ? argv[0] : "proxyd");
    out.service_name = out.process_name;
    Reader reader(argc, argv);
    reader.read(out);
    out.mode = run_mode(out, reader.stand_alone_request);
    if (out.mode != RunMode::master) {
        return out;
    }
    if (out.transport != "unix" && out.transport != "inet") {
        throw UsageError(fmt::format("unsupported transport type \"{}\" in option -t: must be unix or inet",
                                     out.transport));
    }
    if (out.service_name != "proxymap" && out.service_name != "proxywrite") {
        throw UsageError(
            fmt::format("unexpected service name \"{}\": in master.cf it must be proxymap or proxywrite",
                        out.service_name));
    }
    return out;
}

void refuse_terminal(const DaemonArguments& arguments, bool stdin_is_terminal) {
    if (arguments.mode == RunMode::master && stdin_is_terminal && !arguments.not_a_daemon) {
        throw UsageError("do not run this command by hand: with -t it is a service of master(8), see --help");
    }
}

std::string_view usage() {
    return "usage: proxyd --listen PATH [--config FILE] [--verbose] [-o name=value]...\n"
           "       proxyd -S [-o name=value]...     one request on stdin, its reply on stdout\n"
           "       proxyd --help | --version\n"
           "Under Postfix the master(8) daemon runs it; in master.cf:\n"
           "       proxymap unix - - n - 1 proxyd\n";
}

}  // namespace proxyd::master
