"""Requests and the expected replies, byte for byte: rows for wire_test.

A row has a name, the request and the reply. {MAP} is a database table of the type {KIND}, and {ECHO} another.
{OTHER} is not approved. The file of {BROKEN} is missing. The values of {LATIN1} are not UTF-8.
"""

# The flags of open replies are compared only in the bits that the server decides on.
OLD_LAYOUT = [
    ("open", "request¦open¦table¦{MAP}¦flags¦0¦¦", "status¦0¦flags¦16¦¦"),
    ("open with flags", "request¦open¦table¦{MAP}¦flags¦540736¦¦", "status¦0¦flags¦16¦¦"),
    ("open, not approved", "request¦open¦table¦{OTHER}¦flags¦0¦¦", "status¦4¦flags¦0¦¦"),
    ("lookup", "request¦lookup¦table¦{MAP}¦flags¦16448¦key¦postmaster¦¦", "status¦0¦value¦root¦¦"),
    ("lookup, unknown", "request¦lookup¦table¦{MAP}¦flags¦16448¦key¦x¦¦", "status¦1¦value¦¦¦"),
    ("lookup, not approved", "request¦lookup¦table¦{OTHER}¦flags¦16448¦key¦x¦¦", "status¦4¦value¦¦¦"),
    ("lookup, table without type", "request¦lookup¦table¦{KIND}¦flags¦0¦key¦x¦¦", "status¦3¦value¦¦¦"),
    ("lookup, no table name", "request¦lookup¦table¦¦flags¦0¦key¦x¦¦", "status¦3¦value¦¦¦"),
    ("open, table without type", "request¦open¦table¦{KIND}¦flags¦0¦¦", "status¦3¦flags¦0¦¦"),
    ("lookup, proxy: in front", "request¦lookup¦table¦proxy:proxy:{MAP}¦flags¦0¦key¦postmaster¦¦",
     "status¦0¦value¦root¦¦"),
    ("update", "request¦update¦table¦{MAP}¦flags¦0¦key¦k¦value¦v¦¦", "status¦4¦¦"),
    ("update, unknown table", "request¦update¦table¦nonsense¦flags¦0¦key¦k¦value¦v¦¦", "status¦4¦¦"),
    ("delete", "request¦delete¦table¦{MAP}¦flags¦0¦key¦k¦¦", "status¦4¦¦"),
    ("delete, unknown table", "request¦delete¦table¦{OTHER}¦flags¦0¦key¦k¦¦", "status¦4¦¦"),
    ("sequence, unknown function", "request¦sequence¦table¦{MAP}¦flags¦0¦function¦2¦¦", "status¦3¦key¦¦value¦¦¦"),
    ("sequence, not approved", "request¦sequence¦table¦{OTHER}¦flags¦0¦function¦0¦¦", "status¦4¦key¦¦value¦¦¦"),
    ("unknown request", "request¦frob¦¦", "status¦3¦¦"),
    ("unknown request with attributes", "request¦frob¦table¦x¦flags¦0¦¦", "status¦3¦¦"),
    ("empty request name", "request¦¦¦", "status¦3¦¦"),
    ("lookup without key", "request¦lookup¦table¦{MAP}¦flags¦0¦¦", "status¦3¦value¦¦¦"),
    ("flags before table", "request¦lookup¦flags¦0¦table¦{MAP}¦key¦postmaster¦¦", "status¦3¦value¦¦¦"),
    ("attribute after the last", "request¦lookup¦table¦{MAP}¦flags¦0¦key¦postmaster¦zzz¦1¦¦", "status¦0¦value¦root¦¦"),
    ("second key", "request¦lookup¦table¦{MAP}¦flags¦0¦key¦postmaster¦key¦x¦¦", "status¦0¦value¦root¦¦"),
    ("strange attribute before table", "request¦lookup¦zzz¦1¦table¦{MAP}¦flags¦0¦key¦postmaster¦¦",
     "status¦3¦value¦¦¦"),
    ("group before table", "request¦lookup¦{{¦a¦b¦}}¦table¦{MAP}¦flags¦0¦key¦postmaster¦¦", "status¦3¦value¦¦¦"),
    ("flags with blank", "request¦lookup¦table¦{MAP}¦flags¦ 16¦key¦postmaster¦¦", "status¦0¦value¦root¦¦"),
    ("flags with sign", "request¦lookup¦table¦{MAP}¦flags¦+0¦key¦postmaster¦¦", "status¦0¦value¦root¦¦"),
    ("flags with zeros", "request¦lookup¦table¦{MAP}¦flags¦00¦key¦postmaster¦¦", "status¦0¦value¦root¦¦"),
    ("flags empty", "request¦lookup¦table¦{MAP}¦flags¦¦key¦postmaster¦¦", "status¦3¦value¦¦¦"),
    ("flags no number", "request¦lookup¦table¦{MAP}¦flags¦abc¦key¦postmaster¦¦", "status¦3¦value¦¦¦"),
    ("flags hexadecimal", "request¦lookup¦table¦{MAP}¦flags¦0x10¦key¦postmaster¦¦", "status¦3¦value¦¦¦"),
    ("flags with blank behind", "request¦lookup¦table¦{MAP}¦flags¦5 ¦key¦postmaster¦¦", "status¦3¦value¦¦¦"),
    ("flags beyond 32 bits", "request¦lookup¦table¦{MAP}¦flags¦68719476736¦key¦postmaster¦¦", "status¦0¦value¦root¦¦"),
]

# Each of the listed replies is right.
NEW_LAYOUT = [
    ("open", "request¦open¦table¦{MAP}¦instance_flags¦540736¦¦",
     ("status¦0¦flags¦1589328¦¦", "status¦0¦flags¦540752¦¦")),
    ("open by postmap", "request¦open¦table¦{MAP}¦instance_flags¦540737¦¦",
     ("status¦0¦flags¦1589329¦¦", "status¦0¦flags¦540753¦¦")),
    ("open, no flags", "request¦open¦table¦{MAP}¦instance_flags¦0¦¦", ("status¦0¦flags¦16¦¦",)),
    ("open, LOCK", "request¦open¦table¦{MAP}¦instance_flags¦64¦¦", ("status¦0¦flags¦80¦¦",)),
    ("open, FOLD_FIX", "request¦open¦table¦{MAP}¦instance_flags¦16384¦¦", ("status¦0¦flags¦16400¦¦",)),
    ("open, not approved", "request¦open¦table¦{OTHER}¦instance_flags¦540736¦¦", ("status¦4¦flags¦0¦¦",)),
    ("lookup", "request¦lookup¦table¦{MAP}¦instance_flags¦540736¦flags¦1589328¦key¦Postmaster¦¦",
     ("status¦0¦flags¦1589328¦value¦root¦¦",)),
    ("lookup, unknown", "request¦lookup¦table¦{MAP}¦instance_flags¦540736¦flags¦1589328¦key¦x¦¦",
     ("status¦1¦flags¦1589328¦value¦¦¦",)),
    ("lookup, error", "request¦lookup¦table¦{BROKEN}¦instance_flags¦540736¦flags¦1589328¦key¦x¦¦",
     ("status¦2¦flags¦1589328¦value¦¦¦",)),
    ("lookup, invalid value", "request¦lookup¦table¦{LATIN1}¦instance_flags¦540736¦flags¦1589328¦key¦utf@example.com¦¦",
     ("status¦5¦flags¦1589328¦value¦¦¦",)),
    ("lookup, not approved", "request¦lookup¦table¦{OTHER}¦instance_flags¦540736¦flags¦1589328¦key¦x¦¦",
     ("status¦4¦flags¦0¦value¦¦¦",)),
    ("lookup without key", "request¦lookup¦table¦{MAP}¦instance_flags¦540736¦flags¦1589328¦¦",
     ("status¦3¦flags¦0¦value¦¦¦",)),
    ("lookup, other flags", "request¦lookup¦table¦{MAP}¦instance_flags¦64¦flags¦80¦key¦postmaster¦¦",
     ("status¦0¦flags¦80¦value¦root¦¦",)),
    ("update", "request¦update¦table¦{MAP}¦instance_flags¦64¦flags¦64¦key¦k¦value¦v¦¦", ("status¦4¦flags¦0¦¦",)),
    ("delete", "request¦delete¦table¦{MAP}¦instance_flags¦64¦flags¦64¦key¦k¦¦", ("status¦4¦flags¦0¦¦",)),
    ("sequence", "request¦sequence¦table¦{MAP}¦instance_flags¦64¦flags¦80¦function¦0¦¦",
     ("status¦2¦flags¦80¦key¦¦value¦¦¦",)),
    ("sequence, not approved", "request¦sequence¦table¦{OTHER}¦instance_flags¦64¦flags¦80¦function¦0¦¦",
     ("status¦4¦flags¦0¦key¦¦value¦¦¦",)),
    ("unknown request", "request¦frob¦table¦{MAP}¦instance_flags¦0¦¦", ("status¦3¦¦",)),
]

# Requests on the proxywrite service, for a table in proxy_write_maps. SQL tables cannot be written.
PROXYWRITE_OLD_LAYOUT = [
    ("open", "request¦open¦table¦{MAP}¦flags¦0¦¦", "status¦0¦flags¦32¦¦"),
    ("lookup", "request¦lookup¦table¦{MAP}¦flags¦64¦key¦postmaster¦¦", "status¦2¦value¦¦¦"),
    ("update", "request¦update¦table¦{MAP}¦flags¦64¦key¦k¦value¦v¦¦", "status¦2¦¦"),
    ("delete", "request¦delete¦table¦{MAP}¦flags¦64¦key¦k¦¦", "status¦2¦¦"),
    ("sequence", "request¦sequence¦table¦{MAP}¦flags¦64¦function¦0¦¦", "status¦2¦key¦¦value¦¦¦"),
    ("open, for reading only", "request¦open¦table¦{ECHO}¦flags¦0¦¦", "status¦4¦flags¦0¦¦"),
]
PROXYWRITE_NEW_LAYOUT = [
    ("update", "request¦update¦table¦{MAP}¦instance_flags¦64¦flags¦64¦key¦k¦value¦v¦¦", ("status¦2¦flags¦448¦¦",)),
    ("delete", "request¦delete¦table¦{MAP}¦instance_flags¦64¦flags¦64¦key¦k¦¦", ("status¦2¦flags¦320¦¦",)),
    ("sequence", "request¦sequence¦table¦{MAP}¦instance_flags¦64¦flags¦64¦function¦0¦¦",
     ("status¦2¦flags¦64¦key¦¦value¦¦¦",)),
]
