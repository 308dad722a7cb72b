// What a server of PostgreSQL's protocol says that lets everybody in, prepares whatever it is told, and
// answers each key with one row.
#pragma once

#include <functional>
#include <string>

namespace proxyd {

class WillingPostgres {
  public:
    // The messages that answer one query.
    struct Answer {
        std::string bound, columns, row, end;
        [[nodiscard]] std::string whole() const { return bound + columns + row + end; }
    };

    static constexpr int text_type = 25;
    static constexpr int int_type = 23;

    int type = text_type;  // of the column
    std::string name = "v";
    // What one row says, by the key.
    std::function<std::string(const std::string& key)> value = [](const std::string& key) { return key; };
    // What is said to the query with this key.
    std::function<std::string(const std::string& key, const Answer& answer)> say =
        [](const std::string&, const Answer& answer) { return answer.whole(); };
    // What is said to Parse, to the first Describe, and to Sync.
    std::function<std::string()> prepared = [] { return message('1', ""); };
    std::function<std::string()> described = [this] {
        return message('t', std::string(2, '\0')) + columns(0);
    };
    std::function<std::string()> ready = [] { return message('Z', "I"); };

    // For a LoopServer.
    [[nodiscard]] std::string operator()(const std::string& heard) const {
        if (heard.starts_with('\0')) return message('R', std::string(4, '\0')) + message('Z', "I");
        std::string said;
        std::string key;
        int format = 0;
        for (std::size_t at = 0; at + 5 <= heard.size();) {
            const auto body = heard.substr(at + 5, number(heard, at + 1, 4) - 4);
            switch (heard[at]) {
                case 'P': said += prepared(); break;
                case 'D':
                    if (body.starts_with('S')) said += described();
                    break;
                case 'B': read_bind(body, key, format); break;
                case 'E': said += say(key, answer(value(key), format)); break;
                case 'S': said += ready(); break;
                default: break;
            }
            at += 5 + body.size();
        }
        return said;
    }

    [[nodiscard]] Answer answer(const std::string& text, int format) const {
        return {message('2', ""), columns(format),
                message('D', bytes(1, 2) + bytes(static_cast<int>(text.size()), 4) + text),
                message('C', std::string("SELECT 1\0", 9))};
    }
    [[nodiscard]] std::string columns(int format) const {
        return message('T', bytes(1, 2) + name + '\0' + bytes(0, 6) + bytes(type, 4) + bytes(-1, 2) +
                                bytes(-1, 4) + bytes(format, 2));
    }
    static std::string message(char kind, const std::string& body) {
        return kind + bytes(static_cast<int>(body.size()) + 4, 4) + body;
    }

  private:
    static std::string bytes(int value, int count) {
        std::string text;
        for (int i = count - 1; i >= 0; --i) text += static_cast<char>(i < 4 ? value >> 8 * i & 0xff : 0);
        return text;
    }
    static std::size_t number(const std::string& text, std::size_t at, std::size_t count) {
        std::size_t value = 0;
        for (std::size_t i = 0; i < count; ++i) value = value << 8 | static_cast<unsigned char>(text[at + i]);
        return value;
    }
    // Portal, statement, formats of the parameters, one parameter, one format of the columns or none.
    static void read_bind(const std::string& body, std::string& key, int& format) {
        auto at = body.find('\0', body.find('\0') + 1) + 1;
        at += 2 + 2 * number(body, at, 2) + 2;
        const auto size = number(body, at, 4);
        key = body.substr(at + 4, size);
        at += 4 + size;
        format = number(body, at, 2) == 1 ? static_cast<int>(number(body, at + 2, 2)) : 0;
    }
};

}  // namespace proxyd
