"""Every credential the sandbox knows: fixed, documented, and obviously not real.

Three kinds: those that may read orders, those that sign in but may not read orders (``..._FORBIDDEN_...``, answered 403),
and addresses that go with them (domain, company). Anything else is a wrong credential.
"""

from __future__ import annotations

__all__ = [
    "DIPLI_API_KEY",
    "DIPLI_FORBIDDEN_API_KEY",
    "GENUKA_API_KEY",
    "GENUKA_COMPANY_ID",
    "GENUKA_EMAIL",
    "GENUKA_FORBIDDEN_API_KEY",
    "GENUKA_FORBIDDEN_TOKEN",
    "GENUKA_OTHER_COMPANY_ID",
    "GENUKA_PASSWORD",
    "GENUKA_SANDBOX_API_KEY",
    "GENUKA_TOKEN",
    "POPSELL_API_KEY",
    "POPSELL_DOMAIN",
    "POPSELL_EMAIL",
    "POPSELL_FORBIDDEN_API_KEY",
    "POPSELL_FORBIDDEN_TOKEN",
    "POPSELL_PASSWORD",
    "POPSELL_PLATFORM_TOKEN",
    "POPSELL_TOKEN",
    "VALOMNIA_EMAIL",
    "VALOMNIA_FORBIDDEN_EMAIL",
    "VALOMNIA_PASSWORD",
]

POPSELL_DOMAIN = "shop.example.com"
POPSELL_TOKEN = "sandbox-popsell-token"
POPSELL_API_KEY = "sandbox-popsell-api-key"
POPSELL_EMAIL = "manager@example.com"
POPSELL_PASSWORD = "sandbox-popsell-password"
# Opens /platform/*, not /manager/*: the role of a partner's token.
POPSELL_PLATFORM_TOKEN = "sandbox-popsell-platform-token"
POPSELL_FORBIDDEN_TOKEN = "sandbox-popsell-forbidden-token"
POPSELL_FORBIDDEN_API_KEY = "sandbox-popsell-forbidden-api-key"

DIPLI_API_KEY = "sandbox-dipli-api-key"
DIPLI_FORBIDDEN_API_KEY = "sandbox-dipli-forbidden-api-key"

VALOMNIA_EMAIL = "sales@example.com"
VALOMNIA_PASSWORD = "sandbox-valomnia-password"
# Signs in with the same password, and may not read operations.
VALOMNIA_FORBIDDEN_EMAIL = "visitor@example.com"

GENUKA_COMPANY_ID = "01sandb0xc0mpany0000000001"
GENUKA_OTHER_COMPANY_ID = "01sandb0xc0mpany0000000002"
GENUKA_API_KEY = "sandbox-genuka-api-key-000000001"
GENUKA_TOKEN = "sandbox-genuka-token"
GENUKA_EMAIL = "owner@example.com"
GENUKA_PASSWORD = "sandbox-genuka-password"
# A key of the vendor's own test mode: "Sandbox key not allowed for live operation".
GENUKA_SANDBOX_API_KEY = "sandbox-genuka-test-mode-key-001"
GENUKA_FORBIDDEN_API_KEY = "sandbox-genuka-forbidden-key-001"
GENUKA_FORBIDDEN_TOKEN = "sandbox-genuka-forbidden-token"
