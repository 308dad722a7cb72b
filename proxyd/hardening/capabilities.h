// The rights of root that a process gives up for good, whoever its user is.
#pragma once

namespace proxyd::hardening {

// Gives up all capabilities, and the ways to win any by starting a program (set-user-id and the like). A
// process that goes on as root keeps the right to pass over file permissions: table files belong to whom they
// will. To be called before there are threads. Throws std::system_error.
void give_up_capabilities();

}  // namespace proxyd::hardening
