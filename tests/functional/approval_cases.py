"""Values of proxy_read_maps, and tables to ask for. The stock server decides which of them are approved."""

from dataclasses import dataclass, field


@dataclass
class ApprovalCase:
    value: str
    tables: list = field(default_factory=lambda: ["static:a", "static:b", "static:c"])


APPROVAL_CASES = [
    ApprovalCase("proxy:static:a",
                 ["static:a", "proxy:static:a", "proxy:proxy:static:a", "static:A", "STATIC:a", "static:", "static"]),
    ApprovalCase("static:a"), ApprovalCase("proxy:static:a;proxy:static:b", ["static:a", "static:a;proxy:static:b"]),
    ApprovalCase("{ proxy:static:a } {proxy:static:b, x=y}, {x=y, proxy:static:c}"),
    ApprovalCase("proxy:static:b {proxy:static:a"), ApprovalCase("{proxy:static:a}x proxy:static:b"),
    ApprovalCase("check_client_access {proxy:static:a,search_order=domain} permit, proxy:static:b,proxy:static:c"),
    ApprovalCase("unionmap:{proxy:static:a, proxy:static:b}",
                 ["static:a", "static:b", "unionmap:{proxy:static:a, proxy:static:b}"]),
    ApprovalCase("proxy:unionmap:{ proxy:static:a }",
                 ["static:a", "unionmap:{ proxy:static:a }", "unionmap:{proxy:static:a}"]),
    ApprovalCase("pipemap:{unionmap:{proxy:static:a},static:c}"), ApprovalCase("unionmap:{proxy:static:a"),
    ApprovalCase("unionmap:proxy:static:a"), ApprovalCase("!proxy:static:a proxy:static:b"),
    ApprovalCase("proxy:inline:{ a=b, c=d }", ["inline:{ a=b, c=d }", "inline:{a=b, c=d}", "inline:{"]),
    ApprovalCase("proxy:static:a#c # proxy:static:b", ["static:a", "static:a#c", "static:b"]),
    ApprovalCase("proxy:proxy:static:a proxy:x"),
    ApprovalCase("$nothing_here ${nope?{proxy:static:q}:{proxy:static:a}} ${mail_owner?proxy:static:b}"),
    ApprovalCase("${{$mail_owner} == {postfix} ? {proxy:static:a} : {proxy:static:b}} ${{1} < {2} ? {proxy:static:c}}"),
    ApprovalCase("${{$compatibility_level} <level {3.6} ? {proxy:static:a} : {proxy:static:b}}"),
    ApprovalCase("$(approval_case_0) ${approval_case_3}"),
    ApprovalCase("proxy:static:$mail_owner proxy:static:$$x", ["static:postfix", "static:$x", "static:$mail_owner"]),
    ApprovalCase("}proxy:static:a} proxy:static:b}", ["static:a", "static:b", "static:b}"]),
    ApprovalCase("/no/such/file proxy:static:a"), ApprovalCase("", ["static:a"]),
    ApprovalCase("proxy: proxy:: proxy:static:a", ["static:a", ""]),
]
