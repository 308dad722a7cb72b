"""Table files in a directory, owned as Postfix documents it: root:postfix, mode 0640."""

import os

from .postfix import age, mail_owner


class TableFiles:
    """Writes TYPE tables as DIRECTORY/NAME.cf. `defaults` are parameters by type, put into every file of that type."""

    def __init__(self, directory, defaults=None):
        self.directory = directory
        self._defaults = defaults or {}
        self.names = []

    def add(self, kind, name, /, **parameters):
        """Writes a table file from parameters; None drops a default. Returns the name: pgsql:/dir/name.cf."""
        merged = {**self._defaults.get(kind, {}), **parameters}
        text = "".join(f"{parameter} = {value}\n" for parameter, value in merged.items() if value is not None)
        return self.add_text(kind, name, text)

    def connection(self, kind):
        """The connection parameters as lines, for table files that are written by hand."""
        return "".join(f"{parameter} = {value}\n" for parameter, value in self._defaults[kind].items())

    def add_text(self, kind, name, text):
        """Writes the text of a table file. The text may be bytes; with None the file does not exist."""
        table = self.name(kind, name)
        if table not in self.names:
            self.names.append(table)
        if text is not None:
            self.write(name, text)
        return table

    def name(self, kind, name):
        return f"{kind}:{self.path(name)}"

    def path(self, name):
        return os.path.join(self.directory, f"{name}.cf")

    def write(self, name, text, mode=0o640, owner=None):
        """Replaces a table file in one step, as a careful administrator does."""
        path = self.path(name)
        with open(f"{path}.new", "wb") as file:
            file.write(text if isinstance(text, bytes) else text.encode())
        os.chown(f"{path}.new", *(owner or (0, mail_owner()[1])))
        os.chmod(f"{path}.new", mode)
        age(f"{path}.new")
        os.rename(f"{path}.new", path)

    def proxied(self):
        """All tables, as a value for proxy_read_maps."""
        return " ".join(f"proxy:{name}" for name in self.names)
