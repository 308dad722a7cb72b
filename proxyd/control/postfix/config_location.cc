#include "proxyd/control/postfix/config_location.h"

#include <filesystem>
#include <stdexcept>

#include <fmt/format.h>

#include "proxyd/config/site.h"

namespace proxyd::control {

ConfigLocation find_config(const std::optional<std::string>& given, const master::Environment& environment) {
    ConfigLocation place;
    place.directory = given.value_or(environment.config_directory.value_or(default_config_directory));
    // main.cf and master.cf stand for their directory.
    const auto file_name = std::filesystem::path(place.directory).filename();
    if (given && (file_name == "main.cf" || file_name == "master.cf")) {
        const auto parent = std::filesystem::path(place.directory).parent_path().string();
        place.directory = parent.empty() ? "." : parent;
    }
    std::error_code ignored;
    const auto status = std::filesystem::status(place.directory, ignored);
    if (std::filesystem::is_directory(status)) {
        place.options_path = place.directory + "/proxyd.cf";
    } else if (given && std::filesystem::exists(status)) {
        place.options_path = *given;
        place.options_given = true;
        const auto directory = std::filesystem::path(*given).parent_path().string();
        place.directory = directory.empty() ? "." : directory;
    } else if (given) {
        throw std::runtime_error(fmt::format("--config {}: there is no such file or directory", *given));
    }
    place.has_main_cf = std::filesystem::exists(place.directory + "/main.cf", ignored);
    return place;
}

}  // namespace proxyd::control
