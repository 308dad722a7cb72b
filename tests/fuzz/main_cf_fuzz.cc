// The input is a main.cf and, after a line "-d", the output of postconf -d.
#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <string_view>

#include "proxyd/postfix/approved_tables.h"
#include "proxyd/postfix/main_cf.h"
#include "tests/fuzz/require.h"

namespace {

using namespace proxyd;
using postfix::MainCf;

template <class Function>
void tolerate_errors(const Function& function) {
    try {
        function();
    } catch (const std::runtime_error& error) {
        require(error.what()[0] != '\0');
    }
}

void read_parameter(const MainCf& main_cf, std::string_view name) {
    require(main_cf.raw(name).has_value());
    tolerate_errors([&] { (void)main_cf.value(name); });
    tolerate_errors([&] { (void)main_cf.boolean(name, true); });
    tolerate_errors([&] { (void)main_cf.integer(name, 1); });
    tolerate_errors([&] { require(main_cf.duration(name, std::chrono::seconds(1)).count() >= 0); });
}

void approve(const MainCf& main_cf, postfix::Access access, std::string_view file) {
    const auto reader = [&](const std::string& path, std::string&) {
        require(path.starts_with('/'));
        return std::optional<std::string>(file);
    };
    tolerate_errors([&] {
        const auto approved = postfix::ApprovedTables::from_main_cf(main_cf, access, reader);
        for (const std::string& table : approved.tables()) {
            require(table.find(':') != std::string::npos && !table.starts_with("proxy:"));
        }
    });
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view input{reinterpret_cast<const char*>(data), size};
    const std::string_view separator = "\n-d\n";
    const std::size_t cut = input.find(separator);
    const std::string_view text = input.substr(0, cut);
    const std::string_view output =
        cut == std::string_view::npos ? std::string_view() : input.substr(cut + separator.size());

    postfix::ParameterValues defaults;
    for (const auto& [name, parameter] : config::parse_parameters(output, "postconf").parameters) {
        defaults[name] = parameter.value;
    }
    if (!defaults.contains("mail_version")) defaults["mail_version"] = "3.11.0";
    const config::ParameterFile file = config::parse_parameters(text, "/main.cf");
    MainCf main_cf(file, defaults, {});
    main_cf.define("service_name", "proxymap");
    for (const auto& [name, parameter] : file.parameters) read_parameter(main_cf, name);
    for (const auto& [name, value] : defaults) read_parameter(main_cf, name);
    approve(main_cf, postfix::Access::read, text);
    approve(main_cf, postfix::Access::write, text);
    tolerate_errors([&] { (void)postfix::parse_override(text); });
    return 0;
}
