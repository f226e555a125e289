"""Where each figure of the report comes from: one row for each field that holds a number, and no other."""

POLICY = "the privacy policy, as devices hold it and consent names it by its hash"
LEDGER = "the server's signed ledger"
DEVICES = "the entries of devices' ledgers that came with their updates"
CHECKPOINT = "the checkpoint's scores, written before the round counted"
REGISTRY = "the register of enrolments"
OPERATOR = "the operator's entries in federation.toml"
CODE = "the program itself"
AUDIT = "the file of the audit"

PROVENANCE: tuple[tuple[str, str, str], ...] = (
    ("claims[].epsilon", POLICY, "recomputed from its noise, steps and lifetime, rounded up to four decimals"),
    ("claims[].delta", POLICY, "as it is set there"),
    ("claims[].mu", POLICY, "square root of the sum of squared inverse noise multipliers over the lifetime's steps"),
    ("claims[].advantage", POLICY, "delta at epsilon zero, on the claim's curve"),
    ("claims[].curve", POLICY, "the claim's curve at even steps of epsilon"),
    ("claims[].trade_off", POLICY, "the least that any point of the claim's curve allows"),
    ("claims[].overlap", CODE, "stored windows share no frame"),
    ("mechanism.trained_parameters", CODE, "counted in the model that the policy names"),
    ("mechanism.noise", POLICY, "as it is set or calibrated there"),
    ("accounting.second_opinions", POLICY, "the same steps, given to another accountant"),
    ("claims[].epsilon_without_amplification", POLICY, "as if every sequence took part in every step"),
    ("tuning.charged_epsilon", OPERATOR, "zero: settings were chosen on public or rendered data"),
    ("ledger.cap", POLICY, "as it is set there"),
    ("ledger.spent", LEDGER, "recomputed from the rounds of the device that took part most"),
    ("ledger.remaining", LEDGER, "the cap less what is spent"),
    ("ledger.debits", LEDGER, "one round entry each; its cost from the policy that it names"),
    ("ledger.devices_by_spent", LEDGER, "counted over the devices that round entries name"),
    ("ledger.forecast", POLICY, "recomputed for each number of rounds up to the lifetime cap"),
    ("ledger.entries", LEDGER, "counted"),
    ("ledger.void_rounds", LEDGER, "counted"),
    ("ledger.steps_back", LEDGER, "one entry each"),
    ("ledger.device_entries", DEVICES, "counted and checked"),
    ("ledger.device_ledgers", DEVICES, "counted and checked"),
    ("ledger.receipts", DEVICES, "counted"),
    ("data.frames_per_sequence", CODE, "the number of frames that a window has"),
    ("utility_bias.sequences", CHECKPOINT, "counted over the classes"),
    ("utility_bias.before", CHECKPOINT, "of the model that the federation started from"),
    ("utility_bias.after", CHECKPOINT, "of the model that the next round would start from"),
    ("utility_bias.intervals", CHECKPOINT, "Wilson intervals from the counts of each class"),
    ("utility_bias.baselines", CHECKPOINT, "always the most frequent class, from the benchmark's counts"),
    ("audit", AUDIT, "as the audit wrote it"),
)


def origin_of(field: str) -> tuple[str, str, str] | None:
    """The row that speaks for `field`: its own, or that of a group that holds it."""
    for row in PROVENANCE:
        if field == row[0] or field.startswith((f"{row[0]}.", f"{row[0]}[")):
            return row
    return None
