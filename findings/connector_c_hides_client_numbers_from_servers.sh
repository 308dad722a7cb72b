#!/bin/sh
# MariaDB Connector/C 3.3 replaces what a server says by "Received malformed packet" when the number of the server's error
# is one of the library's own.
#
# MySQL Router refuses a client with error 2003 and the reason when it reaches no server; its own mysql client shows them.
# Here a server refuses with an error packet instead of its greeting, once for each number. Numbers from 2000 to 2062 and
# from 5000 on belong to the client library in its header files: of those, 2003 and 2013 arrive as error 2027 without the
# server's words, and so does 5014. 1040, 3000 and 6000 arrive as they were sent. So who runs a client of this library
# behind a Router looks for a broken protocol where a server is down.
#
# Debian 12, as any user who may run apt-get download; needs gcc, python3 and the libraries that libmariadb3 depends on.
set -eu
version=1:10.11.19-0+deb12u1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
apt-get download -q "libmariadb3=$version" "libmariadb-dev=$version" >apt.log 2>&1 || { cat apt.log; exit 1; }
for package in ./*.deb; do dpkg -x "$package" root; done
library=$(dirname "$(find root -name 'libmariadb.so.3')")

cat >server.py <<'PYTHON'
import socket
import sys

with socket.create_server(("127.0.0.1", 0)) as server:
    print(server.getsockname()[1], flush=True)
    for number in map(int, sys.argv[1:]):
        connection, _ = server.accept()
        body = b"\xff" + number.to_bytes(2, "little") + b"#HY000" + b"no server is reached"
        with connection:
            connection.sendall(len(body).to_bytes(3, "little") + b"\0" + body)
            connection.recv(1000)
PYTHON

cat >client.c <<'C'
#include <mysql.h>
#include <stdio.h>
#include <stdlib.h>

int main(int argc, char** argv) {
    unsigned int limit = 10;
    int i;
    if (argc < 3) return 2;
    printf("library: %s\n", mysql_get_client_info());
    for (i = 2; i < argc; ++i) {
        MYSQL* mysql = mysql_init(NULL);
        mysql_options(mysql, MYSQL_OPT_CONNECT_TIMEOUT, &limit);
        mysql_options(mysql, MYSQL_OPT_READ_TIMEOUT, &limit);
        if (!mysql_real_connect(mysql, "127.0.0.1", "user", "", NULL, (unsigned)atoi(argv[1]), NULL, 0))
            printf("said %s, got %u: %s\n", argv[i], mysql_errno(mysql), mysql_error(mysql));
        mysql_close(mysql);
    }
    return 0;
}
C

gcc -I root/usr/include/mariadb client.c -o client -L "$library" -lmariadb
numbers="1040 2003 2013 3000 5014 6000"
# shellcheck disable=SC2086
python3 server.py $numbers >port &
server=$!
while ! [ -s port ]; do
    kill -0 "$server" || exit 1
    sleep 0.1
done
# shellcheck disable=SC2086
LD_LIBRARY_PATH="$library" ./client "$(cat port)" $numbers | tee output
wait "$server"
# Seen:
#   library: 3.3.20
#   said 1040, got 1040: no server is reached
#   said 2003, got 2027: Received malformed packet
#   said 2013, got 2027: Received malformed packet
#   said 3000, got 3000: no server is reached
#   said 5014, got 2027: Received malformed packet
#   said 6000, got 6000: no server is reached
for number in 1040 3000 6000; do grep -q "^said $number, got $number: no server is reached\$" output; done
for number in 2003 2013 5014; do grep -q "^said $number, got 2027: Received malformed packet\$" output; done
