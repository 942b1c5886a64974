"""Held-out split: travel, sport, geography and history; written for this suite."""

QUESTIONS = r"""
How long does the bus from Porto to Vigo take?
  = nominalisation: What is the duration of the bus journey from Porto to Vigo?
  = word order: from Porto to Vigo → to Vigo from Porto
  ! question word: How often does the bus from Porto to Vigo run?
  ! names: Vigo → Lisbon

Which platform does the 18:05 to Zurich leave from?
  = unit spelling: the 18:05 → the 6.05 pm train
  = synonyms: leave from → depart from
  ! numbers: 18:05 → 8:05
  ! direction: Which platform does the 18:05 from Zurich arrive at?
  ! names: Zurich → Zug

Are there direct flights between Riga and Split?
  = word order: Riga and Split → Split and Riga
  = synonyms: direct flights → non-stop flights
  ! antonyms: direct → indirect
  ! tense: Were there direct flights between Riga and Split last summer?
  ! names: Split → Spoleto

Can I change my booking free of charge up to 24 hours before departure?
  = unit spelling: 24 hours → 24 h
  = kept negation: free of charge → without paying a fee
  ! numbers: 24 hours → 4 hours
  ! direction: before departure → after departure
  ! antonyms: free of charge → for a fee

Do children under 6 travel free?
  = number words: 6 → six
  = reworded: Is there no fare to pay for a child who has not yet turned 6?
  ! antonyms: under → over
  ! numbers: 6 → 16
  ! scope: Do children under 6 travel free → Do children under 6 travel free when they are alone

Is my luggage checked through to the final destination?
  = voice: Does the airline check my luggage through to the final destination?
  ! question word: Is my luggage checked → Why isn't my luggage checked
  ! tense: Is my luggage → Was my luggage
  ! quantifiers: Is my luggage → Is everybody's luggage

How many euros do I get for 100 dollars?
  = unit spelling: 100 dollars → $100
  = number words: 100 → a hundred
  ! direction: How many dollars do I get for 100 euros?
  ! units: dollars → pounds
  ! numbers: 100 → 1,000

When is the embassy closed in May 2027?
  = date format: May 2027 → 05/2027
  = kept negation: closed → not open
  ! antonyms: closed → open
  ! dates: May → March
  ! dates: 2027 → 2026

What is the speed limit on Spanish motorways in km/h?
  = unit spelling: km/h → kilometres per hour
  = reworded: How fast may I drive on a motorway in Spain, in km/h?
  ! names: Spanish → German
  ! units: km/h → mph
  ! topic: motorways → country roads
  ! comparatives: speed limit → minimum speed

Can I bring a dog from Norway into Sweden without a passport?
  = word order: from Norway into Sweden → into Sweden from Norway
  = kept negation: without a passport → if it has no passport
  ! direction: from Norway into Sweden → from Sweden into Norway
  ! topic: a dog → a parrot
  ! negation: without a passport → with a passport

Does the tour end at the castle?
  = nominalisation: Is the end of the tour at the castle?
  ! antonyms: end → start
  ! quantifiers: the tour → every tour
  ! question word: Does the tour end at the castle → How does one get back from the castle after the tour

Where can I rent a bike with a child seat in Utrecht?
  = synonyms: rent → hire
  = abbreviation: a bike → a bicycle
  ! negation: with a child seat → without a child seat
  ! topic: a bike → a car
  ! question word: Where can I → What does it cost to

Is breakfast included in the price of 89 euros?
  = unit spelling: 89 euros → EUR 89
  = voice: Does the price of 89 euros include breakfast?
  ! topic: breakfast → the city tax
  ! negation: included in → excluded from

How early should I be at the gate?
  = nominalisation: What is the recommended time of arrival at the gate?
  ! antonyms: How early should → How late may
  ! topic: at the gate → at the check-in desk
  ! modality: should I be → can I be

Which airline flew the passengers home after the bankruptcy?
  = voice: By which airline were the passengers flown home after the bankruptcy?
  ! direction: after → before
  ! tense: flew → will fly
  ! question word: Which airline flew → How many airlines flew

Who may cross the border only with a permit?
  = kept negation: Who may not cross the border without a permit?
  = synonyms: may cross → is allowed to cross
  ! quantifiers: only with → even without
  ! modality: may cross → must cross
  ! question word: Who may → Where can I

Is it warmer in Bergen in July than in Malmö?
  = word order: In July, is it warmer in Bergen than in Malmö?
  = punctuation: is it warmer in bergen in july than in malmo
  ! comparatives: warmer → wetter
  ! direction: Is it warmer in Malmö in July than in Bergen?
  ! dates: July → January

How many sets must a man win to take the match at Wimbledon?
  = synonyms: take the match → win the match
  = reworded: What is the number of sets that a male player needs for victory at Wimbledon?
  ! names: Wimbledon → the Paris Masters
  ! scope: a man → a woman

How high is the net in women's volleyball in metres?
  = unit spelling: metres → m
  = nominalisation: What is the height of the net in women's volleyball in metres?
  ! units: metres → feet
  ! names: women's → men's
  ! topic: high → long

Did Spain beat Germany in the final of 2008?
  = voice: Was Germany beaten by Spain in the final of 2008?
  = word order: In the final of 2008, did Spain beat Germany?
  ! direction: Did Germany beat Spain in the final of 2008?
  ! dates: 2008 → 2012
  ! topic: the final → the group stage

How many points is a touchdown worth?
  = voice: How many points are awarded for a touchdown?
  = question form: Tell me the number of points that a touchdown is worth.
  ! topic: touchdown → field goal
  ! question word: Why is a touchdown worth more than a field goal?

Which swimmer has won the most Olympic gold medals?
  = reworded: Who holds the record for first places at the Olympic Games among swimmers, in number of medals?
  ! comparatives: most → second most
  ! topic: gold → silver
  ! names: Which swimmer → Which gymnast

Can a player be sent off after the final whistle?
  = voice: Can the referee send a player off after the final whistle?
  ! direction: after the final whistle → before kick-off
  ! modality: Can → Must
  ! antonyms: be sent off → stay on the pitch

When does the transfer window close in 2027?
  = nominalisation: When is the closing of the transfer window in 2027?
  = synonyms: When does → On which day does
  ! antonyms: close → open
  ! dates: 2027 → 2026
  ! tense: When does the transfer window close in 2027 → When did the transfer window close before 2027

Does the away team serve first in the second set?
  = number words: second set → 2nd set
  ! names: away team → home team
  ! numbers: second set → third set
  ! comparatives: serve first → serve last

How long is a marathon in kilometres?
  = unit spelling: kilometres → km
  = nominalisation: What is the length of a marathon in kilometres?
  = typos: How long is a marathn in kilometers?
  ! scope: a marathon → half a marathon
  ! units: kilometres → miles

Who coached the team before Vogel?
  = voice: By whom was the team coached before Vogel?
  ! direction: before → after
  ! direction: Who was coached in the team by Vogel?

Is the tie-break played at 6-6 or at 5-5?
  = word order: at 6-6 or at 5-5 → at 5-5 or at 6-6
  = punctuation: is the tiebreak played at 6-6 or at 5-5
  ! question word: How many points does it take to win the tie-break at 6-6?

What is the longest river in South America?
  = question form: Name the longest river in South America.
  = punctuation: what's the longest river in south america
  ! comparatives: longest → second longest
  ! names: South America → North America
  ! comparatives: longest → shortest

Which country borders both Chile and Peru?
  = word order: Chile and Peru → Peru and Chile
  ! quantifiers: both Chile and Peru → neither Chile nor Peru
  ! names: Chile → Colombia

When did Napoleon leave Elba?
  = nominalisation: When was Napoleon's departure from Elba?
  = synonyms: When did Napoleon leave → On what date did Napoleon depart from
  ! direction: leave → arrive on
  ! names: Napoleon → Napoleon's mother
  ! question word: When did → Why did

Was the bridge built before or after the war of 1870?
  = word order: before or after → after or before
  = voice: Did they build the bridge before or after the war of 1870?
  ! dates: 1870 → 1914
  ! topic: built → blown up
  ! question word: Who built the bridge after the war of 1870?

What happened on 9 November 1989?
  = date format: 9 November 1989 → 11/9/1989 (month first)
  = date format: 9 November 1989 → the ninth of November 1989
  ! dates: 9 November 1989 → 9 November 1918
  ! dates: 9 November 1989 → 11 September 1989

Who succeeded Queen Victoria?
  = voice: By whom was Queen Victoria succeeded?
  = reworded: Which monarch came to the throne when Queen Victoria died?
  ! direction: Who did Queen Victoria succeed?
  ! names: Victoria → Anne

How many of the planets have rings?
  = nominalisation: What is the number of planets with rings?
  ! question word: How many of the planets → Which of the planets
  ! quantifiers: How many of the planets have rings → Do all of the planets have rings
  ! negation: have rings → have no rings

Is Lake Geneva deeper than Lake Constance?
  = reworded: Of Lake Geneva and Lake Constance, does the first go down further?
  ! direction: Is Lake Constance deeper than Lake Geneva?
  ! comparatives: deeper → smaller
  ! names: Lake Constance → Lake Como

At what temperature does ethanol boil at sea level?
  = nominalisation: What is the boiling point of ethanol at sea level?
  = typos: At what temprature does ethanol boil at see level?
  ! near words: ethanol → methanol
  ! antonyms: boil → freeze
  ! scope: at sea level → at a height of 5,000 m

Which capital lies farther north, Oslo or Helsinki?
  = word order: Oslo or Helsinki → Helsinki or Oslo
  = synonyms: lies → is situated
  ! antonyms: north → west
  ! names: Helsinki → Reykjavik
"""
