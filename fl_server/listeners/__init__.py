"""Who may ask the server what: two HTTP listeners, what is checked before a request is believed, and in which order."""
