"""The cast of the simulated world: names, texts, labels. Invented.

Rules: constants only. Addresses use the domains and numbers reserved for examples.
"""

from __future__ import annotations

__all__ = [
    "AGENTS",
    "ANSWERS",
    "CHANNELS",
    "DISPOSITIONS",
    "FIRST_NAMES",
    "GREETINGS",
    "INBOUND",
    "LABELS",
    "LAST_NAMES",
    "NOTES",
    "TEAMS",
]

FIRST_NAMES = (
    "Maria", "Jonas", "Aisha", "Tom", "Elena", "Kwame", "Sofia", "Liam", "Yuki", "Pedro",
    "Hannah", "Omar", "Clara", "Noah", "Ines", "Viktor", "Amara", "Lucas", "Freya", "Diego",
)  # fmt: skip
LAST_NAMES = (
    "Lopez", "Weber", "Khan", "Miller", "Petrova", "Mensah", "Rossi", "Murphy", "Tanaka", "Silva",
    "Schmidt", "Haddad", "Dubois", "Jensen", "Costa", "Novak", "Okafor", "Martin", "Berg", "Ortiz",
)  # fmt: skip

AGENTS = ("Grace Hill", "Ben Carter", "Nadia Stein", "Raj Patel")
TEAMS = ("Sales", "Support", "Billing")
LABELS = ("vip", "refund", "hot-lead", "follow-up", "bug", "newsletter")
CHANNELS = ("sms", "email", "whatsapp", "webchat", "facebook", "instagram")

DISPOSITIONS = (
    ("qualified", "Qualified", "Interested", "Qualified"),
    ("booked", "Appointment booked", "Booked", "Converted"),
    ("callback", "Call back later", "Callback", "Open"),
    ("lost-price", "Too expensive", "Price", "Lost"),
    ("wrong-number", "Wrong number", "Invalid number", "Invalid"),
)
"""Each is (id, label, outcome, category)."""

INBOUND = (
    "Is the blue one in stock?",
    "Can somebody call me back this afternoon?",
    "My order has not arrived yet.",
    "What would delivery to Lisbon cost?",
    "Do you also have it in size 42?",
    "I would like to change my appointment to Friday.",
    "The invoice shows the wrong address.",
    "Great, thank you!",
    "How long is the warranty?",
    "I still cannot log in, it says the code is wrong.",
    "Could you send me the offer again?",
    "Is the price including tax?",
)
ANSWERS = (
    "Thanks for writing! I am looking into it.",
    "Yes, we have it, shall I put one aside for you?",
    "I have moved your appointment to Friday at ten.",
    "Your parcel left our warehouse this morning.",
    "A colleague will call you within the hour.",
    "I have corrected the invoice and sent it again.",
)
GREETINGS = (
    "Thank you, we will be with you soon.",
    "We are closed now and answer from eight o'clock on.",
    "Your message has arrived. While you wait, our help pages may have the answer.",
)
NOTES = (
    "Called, no answer. Trying again tomorrow.",
    "Regular customer, please be quick.",
    "Waiting for the warehouse to confirm.",
)
