"""The parts of a reply that are not its new text: attributions, header blocks, dividers, adverts, signatures."""
