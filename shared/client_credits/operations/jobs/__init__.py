"""Work that goes on behind an answer: started, carried out in steps, found again when it was lost."""
