"""What a reader notes beside the judgement: key images and measures that are kept."""
