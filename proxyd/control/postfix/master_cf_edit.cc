#include "proxyd/control/postfix/master_cf_edit.h"

#include <algorithm>
#include <map>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "proxyd/config/options.h"

namespace proxyd::control {
namespace {

constexpr std::string_view blanks = " \t\r\n";

// A physical line with its line end. `key` names its entry; "" for comments, empty lines and other lines
// outside an entry.
struct Line {
    std::string text;
    std::string key;
};

std::string key_of(std::string_view line) {
    const auto end_of_name = line.find_first_of(blanks);
    if (end_of_name == std::string_view::npos) return std::string(line);
    const auto type = line.find_first_not_of(blanks, end_of_name);
    if (type == std::string_view::npos) return std::string(line.substr(0, end_of_name));
    return fmt::format("{}/{}", line.substr(0, end_of_name),
                       line.substr(type, line.find_first_of(blanks, type) - type));
}

std::vector<Line> lines_of(const std::string& master_cf) {
    std::vector<Line> lines;
    std::string key;
    for (std::size_t at = 0; at < master_cf.size();) {
        const auto end = std::min(master_cf.find('\n', at), master_cf.size() - 1) + 1;
        Line line{master_cf.substr(at, end - at), {}};
        at = end;
        const auto first = line.text.find_first_not_of(blanks);
        if (first != std::string::npos && line.text[first] != '#') {
            if (first == 0) key = key_of(line.text);
            line.key = key;
        }
        lines.push_back(std::move(line));
    }
    return lines;
}

std::map<std::string, std::string> entries_of(const std::string& master_cf) {
    std::map<std::string, std::string> entries;
    for (const auto& line : lines_of(master_cf)) {
        if (!line.key.empty()) entries[line.key] += line.text;
    }
    return entries;
}

void end_line(std::string& text) {
    if (!text.empty() && !text.ends_with('\n')) text += '\n';
}

// The -o options that the stock server knows, each with a blank in front.
std::string stock_options(const MasterService& service) {
    std::string text;
    for (const auto& [name, value] : service.overrides) {
        if (is_option(name)) continue;
        const bool one_word = value.find_first_of(blanks) == std::string::npos;
        text += fmt::format(fmt::runtime(one_word ? " -o {}={}" : " -o {{{}={}}}"), name, value);
    }
    return text;
}

bool is_service_name(const std::string& relay_service) {
    return !relay_service.empty() && relay_service.find('/') == std::string::npos;
}

}  // namespace

std::string stock_command(const MasterService& service, std::string_view stock_name) {
    return fmt::format("proxymap -n {}{}", stock_name, stock_options(service));
}

std::vector<std::string> entries_for_proxyd(const std::string& master_cf, const std::string& relay_service) {
    const auto services = read_services(master_cf);
    const auto* service = find_proxymap(services);
    std::vector<std::string> entries;
    if (service == nullptr || service->command != "proxyd") {
        std::string arguments;
        if (service != nullptr && !service->arguments.empty()) {
            arguments = fmt::format(" {}", fmt::join(service->arguments, " "));
        }
        entries.push_back("proxymap/unix=proxymap unix - - n - 1 proxyd" + arguments);
    }
    if (is_service_name(relay_service) && find_service(services, relay_service) == nullptr) {
        entries.push_back(
            fmt::format("{0}/unix={0} unix - - n - - {1}", relay_service,
                        stock_command(service != nullptr ? *service : MasterService{}, "proxymap")));
    }
    return entries;
}

std::string changed_columns(const std::string& master_cf) {
    const auto services = read_services(master_cf);
    const auto* service = find_proxymap(services);
    if (service == nullptr || service->command == "proxyd") return {};
    std::vector<std::string> changes;
    const auto look = [&changes](const char* column, const std::string& had, const char* gets,
                                 const char* reason) {
        if (had != gets) changes.push_back(fmt::format("{} {} becomes {} ({})", column, had, gets, reason));
    };
    if (service->is_private == "n") look("private", "n", "-", "programs ask at private/proxymap");
    if (service->unprivileged == "n") look("unpriv", "n", "-", "proxyd goes on as mail_owner");
    look("chroot", service->chroot, "n", "table files, sockets and certificates are found where they are");
    look("maxproc", service->limit, "1", "one process serves all");
    return changes.empty() ? "" : fmt::format("columns of proxymap: {}", fmt::join(changes, "; "));
}

StockEntries entries_for_stock(const std::string& master_cf, const std::vector<std::string>& relay_services) {
    const auto services = read_services(master_cf);
    StockEntries entries;
    for (const auto& [name, limit] : {std::pair("proxymap", "-"), std::pair("proxywrite", "1")}) {
        const auto* service = find_service(services, name);
        if (service == nullptr || service->command != "proxyd") continue;
        entries.set.push_back(
            fmt::format("{0}/unix={0} unix - - n - {1} proxymap{2}", name, limit, stock_options(*service)));
    }
    for (const auto& name : relay_services) {
        const auto* relay = find_service(services, name);
        if (is_service_name(name) && relay != nullptr && relay->command == "proxymap") {
            entries.remove.push_back(name + "/unix");
        }
    }
    return entries;
}

std::string entries_restored(const std::string& current, const std::string& before, const std::string& with) {
    if (current == with) return before;
    const auto then = entries_of(before);
    std::map<std::string, std::string> wanted;  // "": to be removed
    for (const auto& [key, text] : entries_of(with)) {
        const auto found = then.find(key);
        if (found == then.end()) {
            wanted[key] = "";
        } else if (found->second != text) {
            wanted[key] = found->second;
        }
    }
    std::string result;
    std::map<std::string, bool> done;
    for (const auto& line : lines_of(current)) {
        const auto found = wanted.find(line.key);
        if (line.key.empty() || found == wanted.end()) {
            result += line.text;
        } else if (!std::exchange(done[line.key], true)) {
            result += found->second;
            if (!found->second.empty()) end_line(result);
        }
    }
    for (const auto& [key, text] : wanted) {
        if (text.empty() || done[key]) continue;
        end_line(result);
        result += text;
        end_line(result);
    }
    return result;
}

std::string without_entry(const std::string& master_cf, std::string_view key) {
    std::string result;
    for (const auto& line : lines_of(master_cf)) {
        if (line.key != key) result += line.text;
    }
    return result;
}

}  // namespace proxyd::control
