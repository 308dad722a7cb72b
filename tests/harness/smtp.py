"""An SMTP session, as far as RCPT TO."""

import smtplib


class SmtpSession:
    """One session with an smtpd. A reply is a tuple (code, text)."""

    def __init__(self, host, port, sender="sender@outside.example", timeout=60.0):
        self._client = smtplib.SMTP(host, port, local_hostname="client.outside.example", timeout=timeout)
        self._client.ehlo()
        self._sender = sender
        self._in_transaction = False

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def rcpt(self, recipient):
        """The reply to RCPT TO. Sends MAIL FROM first if it has not been sent yet."""
        if not self._in_transaction:
            code, text = self._client.mail(self._sender)
            if code != 250:
                return code, text.decode(errors="replace")
            self._in_transaction = True
        # smtplib's rcpt() would change an unusual address.
        code, text = self._client.docmd(f"RCPT TO:<{recipient}>")
        return code, text.decode(errors="replace")

    def data(self, body):
        code, text = self._client.data(body)
        self._in_transaction = False
        return code, text.decode(errors="replace")

    def close(self):
        try:
            self._client.quit()
        except (smtplib.SMTPException, OSError):
            self._client.close()
