// How much a peer may send ahead.
#pragma once

namespace proxyd {

// Lets only so much wait in a TCP socket as is read in a moment; other sockets stay as they are. With the
// system's default one call of a database's library goes on for as long as a server on the same machine
// sends.
void bound_one_read(int fd);

}  // namespace proxyd
