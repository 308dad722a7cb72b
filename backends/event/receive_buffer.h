// Limits how much a peer may send ahead.
#pragma once

namespace proxyd {

// Limits the data waiting in a TCP socket to the amount that is read in a moment; other sockets are left
// unchanged. With the system's default one call of a database library continues for as long as a server on
// the same machine sends.
void bound_one_read(int fd);

}  // namespace proxyd
