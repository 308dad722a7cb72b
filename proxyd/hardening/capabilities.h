// Gives up root's rights for good, whatever the user of the process.
#pragma once

namespace proxyd::hardening {

// Gives up all capabilities, and the ways to gain any by starting a program (set-user-id and the like). A
// process that stays root keeps the right to bypass file permissions, because table files may belong to any
// user. Call before there are threads. Throws std::system_error.
void give_up_capabilities();

}  // namespace proxyd::hardening
