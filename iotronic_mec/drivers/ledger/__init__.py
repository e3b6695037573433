"""Where heads of the audit are kept outside of the database."""
