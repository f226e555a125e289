"""What a study's policy will cost and bring, before anyone is asked for consent."""
