#!/bin/sh
# After mysql_reset_connection() MariaDB Connector/C and MariaDB Server 10.11 disagree about the character set, and not
# all of what a session began with comes back.
#
# The client logs in with the database "first" and the character set latin1, then changes to "second" and to utf8mb4 and
# sets a limit for statements. After the reset the server is back at latin1, the library still escapes and converts for
# utf8mb4, the database is "second", and the limit is the server's default. So a pool that resets connections has to
# select its database and to set its character set, through the library, again.
#
# Debian 12, as root; needs gcc and the libraries that mariadb-server-core and libmariadb3 depend on.
set -eu
version=1:10.11.19-0+deb12u1
work=$(mktemp -d)
server=
finish() {
    if [ -n "$server" ]; then
        kill "$server" || true
        wait "$server" || true
    fi
    rm -rf "$work"
}
trap finish EXIT
chmod 755 "$work"
cd "$work"
apt-get download -q "libmariadb3=$version" "libmariadb-dev=$version" "mariadb-server-core=$version" \
    "mariadb-client-core=$version" >apt.log 2>&1 || { cat apt.log; exit 1; }
for package in ./*.deb; do dpkg -x "$package" root; done
library=$(dirname "$(find root -name 'libmariadb.so.3')")

root/usr/bin/mariadb-install-db --no-defaults --basedir="$work/root/usr" --datadir="$work/data" --user=root \
    --auth-root-authentication-method=normal >install.log 2>&1 || { cat install.log; exit 1; }
root/usr/sbin/mariadbd --no-defaults --basedir="$work/root/usr" --datadir="$work/data" --user=root --skip-networking \
    --socket="$work/s" --pid-file="$work/pid" >server.log 2>&1 &
server=$!
while ! [ -S s ]; do
    kill -0 "$server" || { cat server.log; exit 1; }
    sleep 0.1
done

cat >client.c <<'C'
#include <mysql.h>
#include <stdio.h>
#include <stdlib.h>

static void run(MYSQL* mysql, const char* text) {
    if (mysql_query(mysql, text)) {
        printf("%s: %s\n", text, mysql_error(mysql));
        exit(1);
    }
}

static void show(MYSQL* mysql, const char* when) {
    run(mysql, "SELECT @@character_set_client, DATABASE(), @@max_statement_time");
    MYSQL_RES* result = mysql_store_result(mysql);
    MYSQL_ROW row = mysql_fetch_row(result);
    printf("%s: server %s, library %s, database %s, limit %s\n", when, row[0], mysql_character_set_name(mysql), row[1],
           row[2]);
    mysql_free_result(result);
}

int main(int argc, char** argv) {
    MYSQL* mysql = mysql_init(NULL);
    if (argc != 2) return 2;
    mysql_options(mysql, MYSQL_SET_CHARSET_NAME, "latin1");
    if (!mysql_real_connect(mysql, NULL, "root", "", NULL, 0, argv[1], 0)) {
        printf("%s\n", mysql_error(mysql));
        return 1;
    }
    run(mysql, "CREATE DATABASE first");
    run(mysql, "CREATE DATABASE second");
    mysql_select_db(mysql, "first");
    show(mysql, "before");
    run(mysql, "USE second");
    mysql_set_character_set(mysql, "utf8mb4");
    run(mysql, "SET max_statement_time = 5");
    show(mysql, "changed");
    printf("reset: %d\n", mysql_reset_connection(mysql));
    show(mysql, "after");
    return 0;
}
C
gcc -I root/usr/include/mariadb client.c -o client -L "$library" -lmariadb
LD_LIBRARY_PATH="$library" ./client "$work/s" | tee output
# Seen:
#   before: server latin1, library latin1, database first, limit 0.000000
#   changed: server utf8mb4, library utf8mb4, database second, limit 5.000000
#   reset: 0
#   after: server latin1, library utf8mb4, database second, limit 0.000000
grep -q '^reset: 0$' output
grep -q '^after: server latin1, library utf8mb4, database second, limit 0.000000$' output
