#include "backends/table/table_reader.h"

#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "backends/config/parameter_file.h"
#include "backends/table/sql_definition.h"
#include "protocol/table_name.h"

namespace proxyd::table {

using protocol::TableName;

namespace {

// The daemon's options are for all tables; parameters in a table's own file are meant for this table.
void warn_of_kept_answers(const SqlTable& table, TableParameters& parameters) {
    if (!table.definition().analysis.may_write || !table.settings().keeps_answers()) return;
    for (const char* name : {"cache_ttl", "cache_negative_ttl", "stale_ttl"}) {
        if (parameters.text(name))
            parameters.warning(name, fmt::format("{} has no effect here: the query may change data, so its "
                                                 "answers are never kept",
                                                 name));
    }
}

}  // namespace

bool is_file_name(std::string_view name) {
    return name.starts_with('/') || name.starts_with('.');
}

TableReader::TableReader(Loop& loop, TableSetOptions options, NestedLookup nested, RoomForAnswer has_room)
    : loop_(loop), options_(std::move(options)), nested_(std::move(nested)), has_room_(std::move(has_room)) {}

void TableReader::add_backend(std::string type, std::unique_ptr<TableBackend> backend) {
    backends_.emplace(std::move(type), std::move(backend));
}

TableParameters TableReader::read_parameters(const std::string& name, std::vector<std::string>& files) const {
    if (is_file_name(name)) {
        files.push_back(name);
        std::string error;
        auto file = config::read_parameter_file(name, error);
        if (file) return TableParameters::from_file(std::move(*file));
        // The caller puts the file's name in front of the message.
        const auto opened = fmt::format("open {}: ", name);
        if (error.starts_with(opened)) error.replace(0, opened.size(), "cannot be read: ");
        if (!options_.chroot.empty()) error += fmt::format(" (in the chroot {})", options_.chroot);
        config::ParameterFile unreadable;
        unreadable.path = name;
        unreadable.errors.push_back({0, error});
        return TableParameters::from_file(std::move(unreadable));
    }
    if (!name.empty() && options_.main_cf) {
        auto parameters = TableParameters::from_main_cf(name, options_.main_cf);
        if (parameters.is_relative_path())
            parameters.error("",
                             fmt::format("the name does not begin with \"/\", so that it is read as main.cf "
                                         "parameters, {}_query and others, and there are none: write the "
                                         "whole path",
                                         name));
        return parameters;
    }
    config::ParameterFile missing;
    missing.path = "table \"" + name + "\"";
    missing.errors.push_back({0, name.empty()
                                     ? "no name after the type: expecting type:/path/to/file"
                                     : "there is no main.cf that could define it: use type:/path/to/file"});
    return TableParameters::from_file(std::move(missing));
}

Inspection TableReader::read(const std::string& table_name) const {
    Inspection inspection;
    const auto parsed = TableName::parse(table_name);
    const auto backend = parsed.proxied ? backends_.end() : backends_.find(parsed.type);
    if (backend == backends_.end()) {
        std::vector<std::string> known;
        for (const auto& [known_type, served] : backends_) known.push_back(known_type);
        inspection.errors.push_back(fmt::format("unsupported table type: {} ({} serves {})", table_name,
                                                "proxyd", fmt::join(known, ", ")));
        return inspection;
    }
    auto parameters = read_parameters(std::string(parsed.name), inspection.files);
    if (parameters.errors().empty()) make_table(table_name, *backend->second, parameters, inspection);
    for (const auto& problem : parameters.errors()) inspection.errors.push_back(parameters.describe(problem));
    for (const auto& problem : parameters.warnings())
        inspection.warnings.push_back(parameters.describe(problem));
    inspection.parameters = std::move(parameters);
    return inspection;
}

// Leaves no table when the parameters are wrong; the errors are then in them.
void TableReader::make_table(const std::string& table_name, TableBackend& backend,
                             TableParameters& parameters, Inspection& inspection) const {
    const auto read = [&inspection](const std::string& path, std::string& error) {
        inspection.files.push_back(path);
        return config::read_file(path, error);
    };
    auto definition = read_sql_definition(parameters, backend.dialect(), options_.utf8, read);
    const auto settings = options_.settings_for ? options_.settings_for(parameters) : TableSettings{};
    if (!definition) {
        // Finds further errors, to report all of them at once.
        (void)backend.make_runner(table_name, parameters, SqlDefinition{}, settings);
        return;
    }
    auto runner = backend.make_runner(table_name, parameters, *definition, settings);
    if (!runner || !parameters.errors().empty()) return;
    inspection.table = std::make_shared<SqlTable>(loop_, table_name, std::move(*definition), settings,
                                                  std::move(runner), nested_, has_room_);
    warn_of_kept_answers(*inspection.table, parameters);
}

}  // namespace proxyd::table
