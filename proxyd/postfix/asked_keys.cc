#include "proxyd/postfix/asked_keys.h"

#include <algorithm>
#include <string>

namespace proxyd::postfix {
namespace {

using enum KeyKind;
using enum OfEveryKey;
using Kinds = std::vector<KeyKind>;

// Local parts are for local domains: $myorigin, $mydestination, an address of $inet_interfaces or
// $proxy_interfaces.
const Kinds mail_address = {address, plain_address, local_part, plain_local_part, at_domain};
const Kinds sender_address = {address, plain_address, local_part, plain_local_part, at_domain, null_sender};
// access(5), EMAIL ADDRESS PATTERNS. Parent domains have a leading dot unless
// parent_domain_matches_subdomains contains smtpd_access_maps.
const Kinds access_address = {address, plain_address, domain, parent_domain, dotted_parent_domain,
                              user_at, null_sender};
// access(5), HOST NAME/ADDRESS PATTERNS.
const Kinds access_host = {host_name, parent_domain, dotted_parent_domain, ip_address, network};
const Kinds access_name = {host_name, parent_domain, dotted_parent_domain};
// Lists of hosts look up the name with its parent domains, and the address.
const Kinds host_list = {host_name, parent_domain, dotted_parent_domain, ip_address};
// Some lists of domains match parent domains, as set in parent_domain_matches_subdomains.
const Kinds domain_list = {domain, parent_domain, dotted_parent_domain};
const Kinds bare_domain = {domain};

std::vector<AskedKeys> make_rows() {
    return {
        // Domains. string_list: whole names; match lists with parents: see postconf(5).
        {"mydestination", bare_domain, dangerous, "postconf(5)"},
        {"virtual_alias_domains", bare_domain, dangerous, "virtual(5)"},
        {"virtual_mailbox_domains", bare_domain, dangerous, "postconf(5)"},
        {"relay_domains", domain_list, dangerous, "postconf(5)"},
        {"fast_flush_domains", domain_list, odd, "postconf(5)"},
        {"masquerade_domains", bare_domain, odd, "postconf(5)"},
        {"smtp_connection_cache_destinations", {next_hop, host_name, ip_address}, odd, "postconf(5)"},

        // Addresses.
        {"virtual_alias_maps", mail_address, odd, "virtual(5)"},
        {"canonical_maps", mail_address, odd, "canonical(5)"},
        {"sender_canonical_maps", mail_address, odd, "canonical(5)"},
        {"recipient_canonical_maps", mail_address, odd, "canonical(5)"},
        {"smtp_generic_maps", mail_address, odd, "generic(5)"},
        {"relocated_maps", mail_address, odd, "relocated(5)"},
        {"sender_bcc_maps", mail_address, usual, "postconf(5)"},
        {"recipient_bcc_maps", mail_address, usual, "postconf(5)"},
        {"local_recipient_maps", mail_address, odd, "postconf(5)"},
        {"relay_recipient_maps", mail_address, odd, "postconf(5)"},
        {"smtpd_sender_login_maps", mail_address, odd, "postconf(5)"},
        {"virtual_mailbox_maps", mail_address, odd, "virtual(8), postconf(5)"},
        {"virtual_uid_maps", mail_address, usual, "virtual(8)"},
        {"virtual_gid_maps", mail_address, usual, "virtual(8)"},
        {"sender_dependent_relayhost_maps", sender_address, usual, "postconf(5)"},
        {"sender_dependent_default_transport_maps", sender_address, usual, "postconf(5)"},
        {"address_verify_sender_dependent_relayhost_maps", sender_address, usual, "postconf(5)"},
        {"address_verify_sender_dependent_default_transport_maps", sender_address, usual, "postconf(5)"},
        {"transport_maps",
         {address, plain_address, domain, parent_domain, dotted_parent_domain, everything},
         odd,
         "transport(5)"},
        {"address_verify_transport_maps",
         {address, plain_address, domain, parent_domain, dotted_parent_domain, everything},
         odd,
         "transport(5)"},

        // Names of local users.
        {"alias_maps", {local_part, plain_local_part}, odd, "aliases(5)"},
        {"mailbox_transport_maps", {plain_local_part}, usual, "local(8)"},
        {"fallback_transport_maps", {plain_local_part}, usual, "local(8)"},
        {"mailbox_command_maps", {plain_local_part}, usual, "local(8)"},
        {"local_login_sender_maps", {unix_user}, odd, "postconf(5)"},
        {"authorized_flush_users", {unix_user}, odd, "postconf(5)"},
        {"authorized_mailq_users", {unix_user}, odd, "postconf(5)"},
        {"authorized_submit_users", {unix_user}, odd, "postconf(5)"},
        {"masquerade_exceptions", {local_part}, odd, "postconf(5)"},

        // Clients and other hosts.
        {"mynetworks", host_list, dangerous, "postconf(5)"},
        {"permit_mx_backup_networks", host_list, dangerous, "postconf(5)"},
        {"relay_clientcerts", {fingerprint}, dangerous, "postconf(5)"},
        {"debug_peer_list", host_list, odd, "postconf(5)"},
        {"qmqpd_authorized_clients", host_list, dangerous, "postconf(5)"},
        {"smtpd_authorized_verp_clients", host_list, dangerous, "postconf(5)"},
        {"smtpd_authorized_xclient_hosts", host_list, dangerous, "postconf(5)"},
        {"smtpd_authorized_xforward_hosts", host_list, dangerous, "postconf(5)"},
        {"smtpd_client_event_limit_exceptions", host_list, odd, "postconf(5)"},
        {"smtpd_sasl_exceptions_networks", host_list, odd, "postconf(5)"},
        {"smtpd_forbid_bare_newline_exclusions", host_list, odd, "postconf(5)"},
        {"postscreen_access_list", {ip_address}, odd, "postscreen(8), postconf(5)"},
        {"postscreen_allowlist_interfaces", {ip_address}, odd, "postconf(5)"},
        {"postscreen_whitelist_interfaces", {ip_address}, odd, "postconf(5)"},
        {"postscreen_discard_ehlo_keyword_address_maps", {ip_address}, usual, "postconf(5)"},
        {"smtpd_discard_ehlo_keyword_address_maps", {ip_address}, usual, "postconf(5)"},
        {"smtp_discard_ehlo_keyword_address_maps", {ip_address}, usual, "postconf(5)"},
        {"smtp_pix_workaround_maps", {ip_address}, usual, "postconf(5)"},
        {"smtpd_milter_maps", {ip_address}, usual, "postconf(5)"},

        // Destinations of mail.
        {"smtp_sasl_password_maps",
         {address, plain_address, at_domain, host_name, next_hop},
         usual,
         "postconf(5)"},
        {"smtp_tls_policy_maps", {next_hop, dotted_parent_domain}, usual, "postconf(5)"},
        {"tlsproxy_client_policy_maps", {next_hop, dotted_parent_domain}, usual, "postconf(5)"},
        {"tls_server_sni_maps", {host_name, dotted_parent_domain}, usual, "postconf(5)"},

        // Words and text.
        {"postscreen_dnsbl_reply_map", {host_name}, usual, "postconf(5)"},
        {"rbl_reply_maps", {host_name, text}, usual, "postconf(5)"},
        {"smtpd_log_access_permit_actions", {word}, odd, "postconf(5)"},
        {"smtp_sasl_mechanism_filter", {word}, odd, "postconf(5)"},
        {"smtpd_sasl_mechanism_filter", {word}, odd, "postconf(5)"},
        {"header_checks", {text}, odd, "header_checks(5)"},
        {"mime_header_checks", {text}, odd, "header_checks(5)"},
        {"nested_header_checks", {text}, odd, "header_checks(5)"},
        {"milter_header_checks", {text}, odd, "postconf(5)"},
        {"body_checks", {text}, odd, "header_checks(5)"},
        {"smtp_header_checks", {text}, odd, "postconf(5)"},
        {"smtp_mime_header_checks", {text}, odd, "postconf(5)"},
        {"smtp_nested_header_checks", {text}, odd, "postconf(5)"},
        {"smtp_body_checks", {text}, odd, "postconf(5)"},
        {"smtp_reply_filter", {text}, odd, "postconf(5)"},
        {"smtp_dns_reply_filter", {text}, odd, "postconf(5)"},
        {"smtpd_dns_reply_filter", {text}, odd, "postconf(5)"},
        {"smtpd_command_filter", {text}, odd, "postconf(5)"},
        {"postscreen_command_filter", {text}, odd, "postconf(5)"},
        {"default_delivery_status_filter", {text}, odd, "postconf(5)"},
        {"local_delivery_status_filter", {text}, odd, "postconf(5)"},
        {"pipe_delivery_status_filter", {text}, odd, "postconf(5)"},
        {"smtp_delivery_status_filter", {text}, odd, "postconf(5)"},
        {"virtual_delivery_status_filter", {text}, odd, "postconf(5)"},
        {"smtpd_reject_footer_maps", {text}, usual, "postconf(5)"},
        {"postscreen_reject_footer_maps", {text}, usual, "postconf(5)"},

        // Restrictions before a table, in all lists and classes of restrictions.
        {"check_client_access", access_host, odd, "access(5)"},
        {"check_reverse_client_hostname_access", access_name, odd, "postconf(5)"},
        {"check_client_a_access", access_host, odd, "postconf(5)"},
        {"check_client_mx_access", access_host, odd, "postconf(5)"},
        {"check_client_ns_access", access_host, odd, "postconf(5)"},
        {"check_reverse_client_hostname_a_access", access_host, odd, "postconf(5)"},
        {"check_reverse_client_hostname_mx_access", access_host, odd, "postconf(5)"},
        {"check_reverse_client_hostname_ns_access", access_host, odd, "postconf(5)"},
        {"check_helo_access", access_name, odd, "postconf(5)"},
        {"check_helo_a_access", access_host, odd, "postconf(5)"},
        {"check_helo_mx_access", access_host, odd, "postconf(5)"},
        {"check_helo_ns_access", access_host, odd, "postconf(5)"},
        {"check_sender_access", access_address, odd, "access(5)"},
        {"check_sender_a_access", access_host, odd, "postconf(5)"},
        {"check_sender_mx_access", access_host, odd, "postconf(5)"},
        {"check_sender_ns_access", access_host, odd, "postconf(5)"},
        {"check_recipient_access", access_address, odd, "access(5)"},
        {"check_recipient_a_access", access_host, odd, "postconf(5)"},
        {"check_recipient_mx_access", access_host, odd, "postconf(5)"},
        {"check_recipient_ns_access", access_host, odd, "postconf(5)"},
        {"check_etrn_access", access_name, odd, "postconf(5)"},
        {"check_ccert_access", {fingerprint, text}, odd, "postconf(5)"},
        {"check_sasl_access", {login}, odd, "postconf(5)"},
        {"check_address_map", {ip_address}, odd, "postconf(5)"},

        // The `domain` list of a table.
        {"domain", bare_domain, odd, "pgsql_table(5)"},
    };
}

}  // namespace

const std::vector<AskedKeys>& asked_keys() {
    static const std::vector<AskedKeys> rows = make_rows();
    return rows;
}

const AskedKeys* find_asked_keys(std::string_view name) {
    std::string wanted(name);
    if (name == "lmtp_discard_lhlo_keyword_address_maps") wanted = "smtp_discard_ehlo_keyword_address_maps";
    if (wanted.starts_with("lmtp_")) wanted.replace(0, 5, "smtp_");
    const auto& rows = asked_keys();
    const auto found = std::find_if(rows.begin(), rows.end(),
                                    [&wanted](const AskedKeys& row) { return row.name == wanted; });
    return found == rows.end() ? nullptr : &*found;
}

std::string_view sample_key(KeyKind kind) {
    switch (kind) {
        case address: return "user+x@i.h.g.f.e.d.c.example.com";
        case plain_address: return "user@i.h.g.f.e.d.c.example.com";
        case local_part: return "user+x";
        case plain_local_part: return "user";
        case at_domain: return "@i.h.g.f.e.d.c.example.com";
        case user_at: return "user@";
        case domain: return "mail.example.com";
        case parent_domain: return "example.com";
        case dotted_parent_domain: return ".example.com";
        case everything: return "*";
        case null_sender: return "<>";
        case host_name: return "client.example.com";
        case ip_address: return "192.0.2.1";
        case network: return "192.0.2";
        case next_hop: return "[relay.example.com]:587";
        case login: return "user@i.h.g.f.e.d.c.example.com";
        case unix_user: return "user";
        case fingerprint: return "AB:CD:EF";
        case word: return "PLAIN";
        case text: return "From: user@i.h.g.f.e.d.c.example.com";
    }
    return "";
}

std::string_view name_of(KeyKind kind) {
    switch (kind) {
        case address:
        case plain_address: return "addresses";
        case local_part:
        case plain_local_part: return "names of local users";
        case at_domain: return "@domains";
        case user_at: return "user@";
        case domain: return "domains";
        case parent_domain:
        case dotted_parent_domain: return "parent domains";
        case everything: return "*";
        case null_sender: return "<>";
        case host_name: return "host names";
        case ip_address: return "IP addresses";
        case network: return "networks";
        case next_hop: return "next hops";
        case login: return "login names";
        case unix_user: return "names of system users";
        case fingerprint: return "fingerprints";
        case word: return "words";
        case text: return "text";
    }
    return "";
}

}  // namespace proxyd::postfix
