"""When a device trains: conditions on consent, hours, power, load, heat and the student's own use of the computer."""
