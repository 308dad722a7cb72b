// A finding about a table that its database may refute.
#pragma once

#include "proxyd/control/check/finding.h"

namespace proxyd::control {

enum class Proof {
    none,        // none is possible: a table that works may still be wrong
    connection,  // the database accepts the connection
    query,       // the database accepts the query
};

struct Doubt {
    Finding finding;
    Proof proof = Proof::connection;  // it turns an error into a warning, and drops a warning or a note
};

}  // namespace proxyd::control
