#include "tests/unit/protocol/transcript.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <stdexcept>

namespace proxyd::protocol {

namespace {

Transcript read_transcript(const std::filesystem::path& path) {
    Transcript transcript;
    transcript.name = path.stem().string();
    std::ifstream file{path};
    std::string line;
    for (int number = 1; std::getline(file, line); ++number) {
        if (line.empty() || line[0] == '#') {
            continue;
        }
        const std::size_t blank = line.find(' ');
        const std::string word = line.substr(0, blank);
        const std::string rest = blank == std::string::npos ? "" : line.substr(blank + 1);
        if (word == "layout") {
            transcript.layout = rest == "flags" ? Layout::flags : Layout::instance_flags;
        } else if (word == "caller") {
            transcript.caller = static_cast<Flags>(std::stoul(rest));
        } else if (word == "smtputf8") {
            transcript.smtputf8 = rest == "yes";
        } else if (word == "S" || word == "C" || word == "X") {
            transcript.messages.push_back({static_cast<Sender>(word[0]), wire(rest), number});
        } else {
            throw std::runtime_error(path.string() + ":" + std::to_string(number) + ": what is this?");
        }
    }
    return transcript;
}

}  // namespace

std::string Transcript::client_bytes() const {
    std::string bytes;
    for (const auto& message : messages) {
        if (message.sender != Sender::server) {
            bytes += message.bytes;
        }
    }
    return bytes;
}

std::string wire(std::string_view text) {
    std::string bytes;
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] == '|') {
            bytes += '\0';
        } else if (text[i] != '\\') {
            bytes += text[i];
        } else if (text.at(++i) == 'x') {
            bytes += static_cast<char>(std::stoi(std::string{text.substr(i + 1, 2)}, nullptr, 16));
            i += 2;
        } else {
            bytes += text[i] == 'n' ? '\n' : text[i] == 't' ? '\t' : text[i];
        }
    }
    return bytes;
}

std::vector<Transcript> all_transcripts() {
    std::vector<Transcript> transcripts;
    for (const auto& entry : std::filesystem::directory_iterator(PROXYD_SOURCE_DIR "/tests/transcripts")) {
        if (entry.path().extension() == ".transcript") {
            transcripts.push_back(read_transcript(entry.path()));
        }
    }
    std::ranges::sort(transcripts, {}, &Transcript::name);
    return transcripts;
}

}  // namespace proxyd::protocol
