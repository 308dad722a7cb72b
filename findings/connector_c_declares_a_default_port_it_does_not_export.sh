#!/bin/sh
# MariaDB Connector/C 3.3 declares mysql_port and mysql_unix_port in mysql.h, but a program that uses them does not link: the
# library does not export them. Nor does a handle tell: its port is 0 when the connection was asked for without one.
#
# The library takes the port from the variable MYSQL_TCP_PORT, then from the service "mysql", then 3306. Who has to know
# whether "host" and "host:3306" are one server (a pool, a log of hosts) must do the same once more. Here a program asks
# for port 0 with MYSQL_TCP_PORT set to a listening port: the connection arrives there.
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
headers=root/usr/include/mariadb

for name in mysql_port mysql_unix_port; do
    grep -q "extern.* \**$name;" "$headers/mysql.h" && echo "$name: declared" || echo "$name: not declared"
    printf '#include <mysql.h>\n#include <stdio.h>\nint main(void) { printf("%%p\\n", (void*)&%s); return 0; }\n' $name >use.c
    if gcc -I "$headers" use.c -o use -L "$library" -lmariadb 2>gcc.log; then
        echo "$name: links"
    else
        echo "$name: $(grep -o 'undefined reference to' gcc.log | head -n 1)"
    fi
done | tee output

cat >client.c <<'C'
#include <mysql.h>
#include <stdio.h>

int main(void) {
    unsigned int limit = 5;
    MYSQL* mysql = mysql_init(NULL);
    mysql_options(mysql, MYSQL_OPT_CONNECT_TIMEOUT, &limit);
    mysql_options(mysql, MYSQL_OPT_READ_TIMEOUT, &limit);
    mysql_real_connect(mysql, "127.0.0.1", "user", "", NULL, 0, NULL, 0);
    printf("port of the handle: %u\n", mysql->port);
    mysql_close(mysql);
    return 0;
}
C
cat >server.py <<'PYTHON'
import socket

with socket.create_server(("127.0.0.1", 0)) as server:
    print(server.getsockname()[1], flush=True)
    server.settimeout(20)
    connection, _ = server.accept()
    connection.close()
    print("a connection came", flush=True)
PYTHON
gcc -I "$headers" client.c -o client -L "$library" -lmariadb
python3 server.py >port &
server=$!
while ! [ -s port ]; do
    kill -0 "$server" || exit 1
    sleep 0.1
done
LD_LIBRARY_PATH="$library" MYSQL_TCP_PORT="$(head -n 1 port)" ./client | tee -a output
wait "$server"
tail -n 1 port | tee -a output
# Seen:
#   mysql_port: declared
#   mysql_port: undefined reference to
#   mysql_unix_port: declared
#   mysql_unix_port: undefined reference to
#   port of the handle: 0
#   a connection came
printf '%s\n' 'mysql_port: declared' 'mysql_port: undefined reference to' 'mysql_unix_port: declared' \
    'mysql_unix_port: undefined reference to' 'port of the handle: 0' 'a connection came' | diff - output
