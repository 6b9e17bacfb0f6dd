"""A fleet of separate processes: one node each (`station`), and one that conducts the run and gathers its folder."""
