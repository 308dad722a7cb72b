#!/bin/sh
# MariaDB Connector/C 3.3 does not look at the numbers of packets.
#
# Each packet of the MySQL protocol carries a number, which begins at 0 with each command and counts up. Here a server
# numbers the packets of a result 77, 5, 200, 1 and 9 instead of 1 to 5, as they would look if packets of several
# answers had been mixed. mysql_query() and mysql_store_result() report no error and give the row. So a client of this
# library that wants to know whether packets are missing has to count them itself.
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

def packet(number, body):
    return len(body).to_bytes(3, "little") + bytes([number]) + body

def text(value):
    return bytes([len(value)]) + value

greeting = (b"\x0a" + b"8.0.0\0" + (1).to_bytes(4, "little") + b"a" * 8 + b"\0" + b"\x00\xa2" + b"\x21" + b"\x02\x00"
            + b"\x08\x00" + bytes([21]) + b"\0" * 10 + b"b" * 12 + b"\0" + b"mysql_native_password\0")
column = (text(b"def") + text(b"") * 3 + text(b"answer") + text(b"") + b"\x0c" + b"\x21\x00" + (64).to_bytes(4, "little")
          + b"\xfd" + b"\0" * 5)
end = b"\xfe\0\0\x02\0"
with socket.create_server(("127.0.0.1", 0)) as server:
    print(server.getsockname()[1], flush=True)
    connection, _ = server.accept()
    connection.sendall(packet(0, greeting))
    connection.recv(65536)
    connection.sendall(packet(2, b"\0\0\0\x02\0\0\0"))
    connection.recv(65536)
    answer = [b"\x01", column, end, text(b"a value"), end]
    connection.sendall(b"".join(packet(number, body) for number, body in zip([77, 5, 200, 1, 9], answer)))
    connection.recv(65536)
PYTHON

cat >client.c <<'C'
#include <mysql.h>
#include <stdio.h>
#include <stdlib.h>

int main(int argc, char** argv) {
    MYSQL* mysql = mysql_init(NULL);
    unsigned int limit = 10;
    if (argc != 2) return 2;
    mysql_options(mysql, MYSQL_OPT_CONNECT_TIMEOUT, &limit);
    mysql_options(mysql, MYSQL_OPT_READ_TIMEOUT, &limit);
    printf("library: %s\n", mysql_get_client_info());
    if (!mysql_real_connect(mysql, "127.0.0.1", "user", "", NULL, (unsigned)atoi(argv[1]), NULL, 0) ||
        mysql_query(mysql, "SELECT 1")) {
        printf("error: %s\n", mysql_error(mysql));
        return 0;
    }
    MYSQL_RES* result = mysql_store_result(mysql);
    MYSQL_ROW row = result ? mysql_fetch_row(result) : NULL;
    printf("row: %s\nerror number: %u\n", row ? row[0] : "none", mysql_errno(mysql));
    return 0;
}
C

gcc -I root/usr/include/mariadb client.c -o client -L "$library" -lmariadb
python3 server.py >port &
server=$!
while ! [ -s port ]; do
    kill -0 "$server" || exit 1
    sleep 0.1
done
LD_LIBRARY_PATH="$library" ./client "$(cat port)" | tee output
wait "$server"
# Seen:
#   library: 3.3.20
#   row: a value
#   error number: 0
grep -q '^row: a value$' output
grep -q '^error number: 0$' output
