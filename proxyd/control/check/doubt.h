// What a check holds against a table as long as its database has not taken it.
#pragma once

#include "proxyd/control/check/finding.h"

namespace proxyd::control {

enum class Proof {
    none,        // the table may work, and what was found is still not right
    connection,  // the database lets the table in
    query,       // it takes the query
};

struct Doubt {
    Finding finding;
    Proof proof = Proof::connection;  // with it an error is no more than a warning, and less is nothing
};

}  // namespace proxyd::control
