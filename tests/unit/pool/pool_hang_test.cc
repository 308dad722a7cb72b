// A host, or some of the connections behind one address, is silent for a while under 100 clients.
#include "tests/unit/pool/clients.h"
#include "tests/unit/pool/pool_scene.h"

namespace proxyd::pool {
namespace {

struct Shape {
    std::size_t size;
    bool pipelines;
    bool together = false;  // the server sends the answers of brief queries together
};

class PoolHang : public PoolScene, public testing::WithParamInterface<Shape> {
  protected:
    void SetUp() override {
        settings.size = GetParam().size;
        db().pipelines = GetParam().pipelines;
        db().answers_together = GetParam().together;
        db().react = [](auto, const auto&) { return Reaction{Reaction::Kind::rows, 400us}; };
    }

    [[nodiscard]] std::unique_ptr<Clients> hundred(Duration pause = 60ms, Duration patience = 10s) {
        const auto table = queue("t");
        auto clients = std::make_unique<Clients>(loop, *pool, table, plain, 100, pause, patience);
        loop.advance(3s);
        EXPECT_EQ(clients->failed, 0);
        clients->reset();
        return clients;
    }
    [[nodiscard]] std::size_t asked_of(std::size_t where) const {
        return static_cast<std::size_t>(
            std::count_if(database->sent.begin(), database->sent.end(),
                          [where](const auto& one) { return one.host == where; }));
    }
    // No lookup fails, and none waits for long.
    void expect_nothing_noticed(const Clients& clients) {
        EXPECT_EQ(clients.failed, 0) << clients.problem;
        EXPECT_GT(clients.answered, 0);
        EXPECT_LE(clients.longest, 1s) << std::chrono::duration<double>(clients.longest).count();
        EXPECT_LE(database->most_connections, settings.size);
    }
};

TEST_P(PoolHang, OneHostOfTwoIsSilent) {
    ranks = {1, 1};
    database.reset();
    SetUp();
    auto clients = hundred();
    const std::size_t silent = asked_of(1) > 0 ? 1 : 0;
    db().freeze(silent);
    loop.advance(1s);
    db().sent.clear();
    loop.advance(14s);
    expect_nothing_noticed(*clients);
    EXPECT_EQ(asked_of(silent), 0U) << "a host that is silent is asked";
    if (settings.size > 1) {
        EXPECT_TRUE(make().hosts()[silent].is_failing());
    }
    EXPECT_TRUE(make().hosts()[1 - silent].is_up());

    db().thaw(silent);
    loop.advance(4s);
    db().sent.clear();
    loop.advance(1s);
    expect_nothing_noticed(*clients);
    if (settings.size == 1) return;
    EXPECT_TRUE(make().hosts()[silent].is_up());
    EXPECT_GT(asked_of(silent), db().sent.size() / 6) << "it is used as before";
}

// A load balancer in front of two servers, one of which hangs.
TEST_P(PoolHang, HalfOfTheConnectionsBehindOneAddressAreSilent) {
    auto clients = hundred();
    const auto connections = db().connections;
    for (std::size_t i = 0; i < connections.size(); i += 2) connections[i]->hang();
    bool every_other = false;
    db().answers_new = [&every_other](auto) { return every_other = !every_other; };
    loop.advance(15s);
    expect_nothing_noticed(*clients);

    db().answers_new = [](auto) { return true; };
    for (auto* one : db().connections) one->go_on();
    loop.advance(2s);
    expect_nothing_noticed(*clients);
    clients->reset();
    loop.advance(2s);
    EXPECT_LE(clients->longest, 20ms);
}

// All connections lead to the hanging server: through a load balancer, or by a URI with two servers.
TEST_P(PoolHang, AllConnectionsAreSilentAndNewOnesAreNot) {
    auto clients = hundred();
    for (auto* one : db().connections) one->hang();
    loop.advance(15s);
    expect_nothing_noticed(*clients);
    EXPECT_TRUE(make().hosts()[0].is_up());
}

TEST_P(PoolHang, AllAreSilentAndEveryOtherNewOne) {
    if (settings.size < 2) return;
    auto clients = hundred();
    for (auto* one : db().connections) one->hang();
    bool every_other = true;
    db().answers_new = [&every_other](auto) { return every_other = !every_other; };
    loop.advance(15s);
    expect_nothing_noticed(*clients);
}

// Once, the connection attempt that began during the hang failed, and the host counted as dead for good.
TEST_P(PoolHang, AfterAHangOfTheOnlyHostThePoolIsAsLargeAsBefore) {
    db().react = [](auto, const auto&) { return Reaction{Reaction::Kind::rows, 40ms}; };
    auto clients = hundred(100ms, 60s);
    loop.advance(2s);
    const auto usual = clients->answered;
    db().freeze(0);
    loop.advance(9s);
    db().thaw(0);
    loop.advance(5s);
    EXPECT_EQ(clients->failed, 0) << clients->problem;
    EXPECT_TRUE(make().hosts()[0].is_up());
    clients->reset();
    loop.advance(2s);
    EXPECT_GE(clients->answered, usual * 9 / 10);
}

INSTANTIATE_TEST_SUITE_P(Pools, PoolHang,
                         testing::Values(Shape{1, true}, Shape{2, true}, Shape{2, false}, Shape{3, true},
                                         Shape{4, true}, Shape{4, false}, Shape{8, true}, Shape{8, false},
                                         Shape{8, true, true}, Shape{16, true, true}),
                         [](const auto& one) {
                             return "Of" + std::to_string(one.param.size) +
                                    (one.param.pipelines ? "" : "OneAtATime") +
                                    (one.param.together ? "Together" : "");
                         });

}  // namespace
}  // namespace proxyd::pool
