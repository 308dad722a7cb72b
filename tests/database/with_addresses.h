// A host name, db.test, whose addresses the test says.
#pragma once

#include <string>
#include <vector>

#include "backends/event/resolver.h"

namespace proxyd {

template <typename Scene>
class WithAddresses : public Scene {
  protected:
    void SetUp() override {
        Scene::SetUp();
        this->resolver.set_lookup([this](const std::string& host) -> Addresses {
            asked += host + "\n";
            if (host == "db.test") return {addresses, ""};
            return {{}, "host name " + host + ": no such name"};
        });
    }

    // Before the first lookup: threads of the resolver read it.
    std::vector<std::string> addresses;
    std::string asked;  // of the resolver, whose threads write it; look when nothing is asked any more
};

}  // namespace proxyd
