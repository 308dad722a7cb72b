// The input is a proxyd.cf.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "proxyd/config/options.h"
#include "tests/fuzz/require.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace proxyd;
    const std::string_view input{reinterpret_cast<const char*>(data), size};
    const config::ParameterFile file = config::parse_parameters(input, "/proxyd.cf");
    Options options;
    const auto problems = apply(options, file);
    require(problems.size() <= file.errors.size() + file.parameters.size());
    for (const auto& problem : problems) require(!problem.message.empty());

    // The options in force, written out as a file, give the same options again.
    std::string dump;
    for (const OptionInfo& option : option_infos()) {
        dump += std::string(option.name) + " = " + option_text(options, option.name) + '\n';
    }
    Options again;
    require(apply(again, config::parse_parameters(dump, "/dump.cf")).empty());
    for (const OptionInfo& option : option_infos()) {
        require(option_text(again, option.name) == option_text(options, option.name));
        const bool same = option_text(options, option.name) == option_text(Options{}, option.name);
        require(same || file.find(option.name) != nullptr);
    }
    require(options.pool_size > 0 && options.queue_limit > 0 && options.request_size_limit >= 4096);
    return 0;
}
